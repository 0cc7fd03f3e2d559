variable "region" {
  description = "AWS region of the buckets and the registry."
  type        = string
}

variable "store_bucket" {
  description = "Bucket of the store: DDPO_STORE is s3://<store_bucket>/<store_prefix>."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.store_bucket))
    error_message = "A bucket's name is 3 to 63 lower-case letters, digits and dashes (no dots: they break TLS)."
  }
}

variable "store_prefix" {
  description = "Prefix of the store in its bucket, without slashes around it. Empty: the whole bucket."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$", var.store_prefix))
    error_message = "Write a/b: letters, digits, dot, dash, underscore, single slashes within, none around."
  }
}

variable "artifacts_bucket" {
  description = "Bucket of MLflow's artefacts. No step can reach it: they go through MLflow's server."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.artifacts_bucket))
    error_message = "A bucket's name is 3 to 63 lower-case letters, digits and dashes (no dots: they break TLS)."
  }
}

variable "oidc_provider_arn" {
  description = "ARN of the cluster's OIDC provider: arn:aws:iam::<account>:oidc-provider/<issuer>."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/.+$", var.oidc_provider_arn))
    error_message = "Write arn:aws:iam::<12 digits>:oidc-provider/<issuer without https://>."
  }
}

variable "namespace" {
  description = "Kubernetes namespace of the chart: its service accounts are the only ones that may take these roles."
  type        = string
  default     = "ddpo"
}

variable "administrators" {
  description = <<-EOT
    ARNs (wildcards allowed) that may delete what a commit or a champion stands on, to fulfil a legal duty for instance.
    Empty: nobody may, until the bucket's policy is changed.
  EOT
  type        = list(string)
  default     = []
}

variable "kms_key_arn" {
  description = "KMS key for both buckets and the registry. Null: keys that S3 and ECR manage (AES-256)."
  type        = string
  default     = null
}

variable "deleted_days" {
  description = "Days for which a deleted or replaced object can still be had back. Afterwards its bytes are freed."
  type        = number
  default     = 30

  validation {
    condition     = var.deleted_days >= 1
    error_message = "At least one day: with less, a wrong cleanup could not be undone."
  }
}

variable "tags" {
  description = "Further tags of every resource."
  type        = map(string)
  default     = {}
}
