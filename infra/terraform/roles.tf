# One role a step, one for Airflow, one for MLflow's server. A sampler that was taken over can spoil samples; it cannot
# write a policy, a report, a plan or a champion.

locals {
  # Without s3:ListBucket a missing object answers 403 instead of 404, and `is it committed?` could not be asked. With a
  # condition on s3:prefix likewise: GetObject carries no prefix. So names can be listed; contents cannot be read.
  list_store = {
    Sid      = "MissingIs404"
    Effect   = "Allow"
    Action   = "s3:ListBucket"
    Resource = local.bucket_arns.store
  }

  use_key = [
    for key in compact([var.kms_key_arn]) : {
      Sid      = "UseTheBucketsKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = key
    }
  ]

  step_statements = {
    for step, patterns in local.writes : step => [
      local.list_store,
      {
        Sid      = "ReadItsInputs"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = [for pattern in local.reads[step] : "${local.root}${pattern}"]
      },
      {
        Sid      = "WriteItsOutput"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = [for pattern in patterns : "${local.root}${pattern}"]
      },
    ]
  }

  airflow_statements = [
    local.list_store,
    {
      Sid      = "ReadTheStore"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = "${local.root}*"
    },
    {
      Sid      = "OpenPlanAndPromote"
      Effect   = "Allow"
      Action   = "s3:PutObject"
      Resource = [for pattern in local.airflow_writes : "${local.root}${pattern}"]
    },
    {
      Sid      = "NeverDoAStepsWork"
      Effect   = "Deny"
      Action   = "s3:PutObject"
      Resource = [for pattern in flatten(values(local.writes)) : "${local.root}${pattern}"]
    },
    {
      # ddpo_cleanup: trajectories that are no longer needed, and attempts that nobody committed. The bucket's policy
      # keeps every commit from it, and every deleted version for `deleted_days`.
      Sid      = "ExpireAttempts"
      Effect   = "Allow"
      Action   = "s3:DeleteObject"
      Resource = "${local.root}runs/*/attempts/*"
    },
  ]

  # The part of Airflow that people reach shows the logs of tasks, and does nothing itself.
  api_server_statements = [
    local.list_store,
    {
      Sid      = "ShowLogs"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = "${local.root}logs/*"
    },
  ]

  mlflow_statements = [
    {
      Sid      = "ListArtifacts"
      Effect   = "Allow"
      Action   = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
      Resource = local.bucket_arns.artifacts
    },
    {
      Sid    = "KeepArtifacts"
      Effect = "Allow"
      Action = [
        "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
      ]
      Resource = "${local.bucket_arns.artifacts}/*"
    },
  ]

  statements = merge(local.step_statements, {
    airflow    = local.airflow_statements
    api-server = local.api_server_statements
    mlflow     = local.mlflow_statements
  })
}

resource "aws_iam_role" "this" {
  for_each = local.service_accounts
  name     = "${each.value}-${var.namespace}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = var.oidc_provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "${local.oidc_issuer}:aud" = "sts.amazonaws.com"
          "${local.oidc_issuer}:sub" = "system:serviceaccount:${var.namespace}:${each.value}"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "store" {
  for_each = local.service_accounts
  name     = "store"
  role     = aws_iam_role.this[each.key].id
  policy   = jsonencode({ Version = "2012-10-17", Statement = concat(local.statements[each.key], local.use_key) })
}
