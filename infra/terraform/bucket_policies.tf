# What holds for everybody, administrators of the account included: a Deny here cannot be outvoted by a role.

locals {
  tls_only = {
    for name, arn in local.bucket_arns : name => {
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [arn, "${arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }
  }

  create_only_arns = [for pattern in local.create_only : "${local.root}${pattern}"]

  # The protocol of components/core/store.py, kept by the bucket: a marker without If-None-Match is refused, so a client
  # that forgets the header cannot replace a commit. It also refuses a copy onto such a key (CopyObject cannot carry the
  # header): restore a store into a bucket that has no such policy yet.
  create_once = {
    Sid       = "CommitsAreCreatedOnce"
    Effect    = "Deny"
    Principal = "*"
    Action    = "s3:PutObject"
    Resource  = local.create_only_arns
    Condition = { Null = { "s3:if-none-match" = "true" } }
  }

  # A marker that is deleted could be created again, with other content.
  keep_commits = merge(local.but_for_administrators, {
    Sid       = "CommitsStay"
    Effect    = "Deny"
    Principal = "*"
    Action    = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    Resource  = local.create_only_arns
  })

  keep_versions = {
    for name, arn in local.bucket_arns : name => merge(local.but_for_administrators, {
      Sid       = "DeletedIsRecoverable"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:DeleteObjectVersion"
      Resource  = "${arn}/*"
    })
  }

  # Nothing where there are no administrators: then the Deny holds for everybody.
  but_for_administrators = {
    for element in(length(var.administrators) > 0 ? ["Condition"] : []) : element => {
      ArnNotLike = { "aws:PrincipalArn" = var.administrators }
    }
  }

  bucket_policies = {
    store     = [local.tls_only.store, local.create_once, local.keep_commits, local.keep_versions.store]
    artifacts = [local.tls_only.artifacts, local.keep_versions.artifacts]
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  policy   = jsonencode({ Version = "2012-10-17", Statement = local.bucket_policies[each.key] })

  depends_on = [aws_s3_bucket_public_access_block.this]
}
