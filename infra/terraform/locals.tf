# Who may write what. The patterns are those of components/core/layout.py; tests/infra holds each of them against it.
#
# In IAM, `*` and `?` match slashes too. A pattern is safe nevertheless where nobody else's commit has its last named
# part: no reader follows a key such as training/.../prompts/COMMITTED.json.

data "aws_partition" "current" {}

locals {
  partition     = data.aws_partition.current.partition
  bucket_arns   = { for name, bucket in local.buckets : name => "arn:${local.partition}:s3:::${bucket}" }
  buckets       = { store = var.store_bucket, artifacts = var.artifacts_bucket }
  root          = "${local.bucket_arns.store}/${var.store_prefix == "" ? "" : "${var.store_prefix}/"}"
  oidc_issuer   = split("oidc-provider/", var.oidc_provider_arn)[1]
  image_names   = ["ddpo-airflow", "ddpo-cpu", "ddpo-diffusion", "ddpo-scoring"]
  encryption    = var.kms_key_arn == null ? "AES256" : "aws:kms"
  needs_kms_key = var.kms_key_arn != null

  # Written once, by `If-None-Match: *`, and never replaced or removed.
  create_only = [
    "runs/*/COMMITTED.json", "runs/*/control/*", "promotions/*", "audits/*/COMMITTED.json",
    "comparisons/*/COMMITTED.json", "compared/*/COMMITTED.json",
  ]

  plans = [
    "runs/*/iterations/*/plan/*", "runs/*/evaluations/*/plan/*", "runs/*/registrations/*/plan/*",
    "runs/*/rescored/*/plan/*",
  ]
  prompts  = ["runs/*/iterations/*/prompts/*", "runs/*/evaluations/prompts/*"]
  sampling = ["${local.shards}/COMMITTED.json", "${local.shards}/attempts/*", "runs/*/evaluations/*/sampling/*"]
  scoring = [
    "runs/*/iterations/*/shards/*/scoring/*", "runs/*/evaluations/*/scoring/*", "runs/*/rescored/*/scoring-??/*",
  ]
  training = ["runs/*/iterations/*/training/*"]
  reports  = ["runs/*/evaluations/*/report/*"]

  # Beside registrations/<k>/ lies its plan, which Airflow writes: four digits, then nothing but a commit's own names.
  registrations = ["runs/*/registrations/????/COMMITTED.json", "runs/*/registrations/????/attempts/*"]

  opening = ["runs/*/COMMITTED.json", "runs/*/attempts/*"]
  tables  = ["runs/*/rescored/*/tables/*"]

  # What is compared, and at which learning rates; what came of it is drawn by the step that speaks to MLflow.
  comparisons = ["comparisons/*"]
  compared    = ["compared/*"]

  # No role writes audits/: a reward that ran in the scoring step could pass itself. People do, with their own rights.

  weights = ["models/*"]

  writes = {
    prompts      = local.prompts
    sampling     = local.sampling
    scoring      = local.scoring
    training     = local.training
    evaluation   = local.reports
    registration = concat(local.registrations, local.compared)
  }

  # A step also reads its own prefix, to find that it is done already.
  reads = {
    prompts      = concat(local.plans, local.prompts, ["runs/*/COMMITTED.json", "runs/*/attempts/*/prompts.txt"])
    sampling     = concat(local.plans, local.prompts, local.training, local.sampling, local.weights)
    scoring      = concat(local.plans, local.sampling, local.scoring, local.weights)
    training     = concat(local.plans, local.sampling, local.scoring, local.training, local.weights)
    evaluation   = concat(local.plans, local.sampling, local.scoring, local.reports, ["calibrations/*"])
    registration = concat(["runs/*", "promotions/*", "models/*"], local.comparisons, local.compared)
  }

  # Retention writes down what it takes before it takes it.
  shards  = "runs/*/iterations/*/shards/*/sampling"
  expired = ["${local.shards}/EXPIRED.json"]

  airflow_logs   = ["probe.json", "runs/*/control/*", "promotions/*", "logs/*"]
  airflow_writes = concat(local.airflow_logs, local.opening, local.plans, local.tables, local.comparisons, local.expired)

  service_accounts = merge({ for step in keys(local.writes) : step => "ddpo-${step}" }, {
    airflow    = "ddpo-airflow"
    api-server = "ddpo-api-server"
    mlflow     = "ddpo-mlflow"
  })
}
