# A tag names one image for ever, so that a digest in a deployment file can be traced to the tag it was released under.

resource "aws_ecr_repository" "this" {
  for_each             = toset(local.image_names)
  name                 = each.value
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = var.kms_key_arn == null ? "AES256" : "KMS"
    kms_key         = var.kms_key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each   = aws_ecr_repository.this
  repository = each.value.name

  # Released images stay: a manifest in the store names the version that made it.
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "layers that no tag names any more"
      selection = {
        tagStatus   = "untagged"
        countType   = "sinceImagePushed"
        countUnit   = "days"
        countNumber = 14
      }
      action = { type = "expire" }
    }]
  })
}
