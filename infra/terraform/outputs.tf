output "store_uri" {
  description = "DDPO_STORE, `store.uri` of the chart."
  value       = trimsuffix("s3://${var.store_bucket}/${var.store_prefix}", "/")
}

output "mlflow_artifacts_uri" {
  description = "`mlflow.artifacts` of the chart."
  value       = "s3://${var.artifacts_bucket}/mlflow"
}

output "role_arns" {
  description = "Service account -> role, `serviceAccounts.annotations` of the chart: eks.amazonaws.com/role-arn."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}

output "image_repositories" {
  description = "Where the images are pushed to."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}
