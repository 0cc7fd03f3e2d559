"""Buckets, identities and registry, as Terraform and its provider understand them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.infra.iam import document
from tests.infra.terraform_plan import SOURCE, Planned, plan, prepared, terraform

IDENTITIES = {
    *("prompts", "sampling", "scoring", "training", "evaluation", "registration"),
    *("airflow", "api-server", "mlflow"),
}


def test_the_configuration_is_valid_and_formatted(terraform_directory: Path) -> None:
    verdict = json.loads(terraform(terraform_directory, "validate", "-json").stdout)
    assert (verdict["valid"], verdict["diagnostics"]) == (True, [])
    files = sorted(str(path) for path in SOURCE.glob("*.tf"))
    assert subprocess.run(["terraform", "fmt", "-check", *files], capture_output=True, text=True).stdout == ""


def test_both_buckets_are_versioned_encrypted_and_closed(planned: Planned) -> None:
    for bucket in ("store", "artifacts"):
        versioning = planned.of_kind("aws_s3_bucket_versioning")[bucket]
        assert versioning["versioning_configuration"][0]["status"] == "Enabled"
        (rule,) = planned.of_kind("aws_s3_bucket_server_side_encryption_configuration")[bucket]["rule"]
        assert rule["apply_server_side_encryption_by_default"][0]["sse_algorithm"] == "AES256"
        closed = planned.of_kind("aws_s3_bucket_public_access_block")[bucket]
        assert all(
            closed[name]
            for name in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
        )


def test_no_rule_expires_what_still_stands(planned: Planned) -> None:
    """Age says nothing about whether a trajectory is still needed: a paused run's is. Only deleted bytes are freed."""
    for bucket in ("store", "artifacts"):
        (rule,) = planned.of_kind("aws_s3_bucket_lifecycle_configuration")[bucket]["rule"]
        (expiration,) = rule["expiration"]
        assert expiration["expired_object_delete_marker"] is True
        assert not expiration.get("days")
        assert rule["noncurrent_version_expiration"][0]["noncurrent_days"] == 30
        assert rule["abort_incomplete_multipart_upload"][0]["days_after_initiation"] == 7


def test_images_have_immutable_tags_and_are_scanned(planned: Planned) -> None:
    repositories = planned.of_kind("aws_ecr_repository")
    assert set(repositories) == {"ddpo-airflow", "ddpo-cpu", "ddpo-diffusion", "ddpo-scoring"}
    for repository in repositories.values():
        assert repository["image_tag_mutability"] == "IMMUTABLE"
        assert repository["image_scanning_configuration"] == [{"scan_on_push": True}]


def test_a_role_is_for_one_service_account_of_one_namespace(planned: Planned) -> None:
    issuer = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"
    roles = planned.of_kind("aws_iam_role")
    assert set(roles) == IDENTITIES
    for identity, role in roles.items():
        (trust,) = document(role["assume_role_policy"])["Statement"]
        assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
        assert trust["Principal"] == {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{issuer}"}
        assert trust["Condition"] == {
            "StringEquals": {
                f"{issuer}:aud": "sts.amazonaws.com",
                f"{issuer}:sub": f"system:serviceaccount:ddpo:ddpo-{identity}",
            }
        }


def test_no_policy_allows_everything(planned: Planned) -> None:
    """No `s3:*`, no `*`: an action that is not named is not allowed."""
    for identity in IDENTITIES:
        for statement in planned.role_policy(identity)["Statement"]:
            if statement["Effect"] == "Allow":
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                assert not any("*" in action for action in actions), (identity, statement)


def test_a_key_of_ones_own_is_used_everywhere(terraform_directory: Path) -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/1"
    made = plan(terraform_directory, f"-var=kms_key_arn={key}")
    for bucket in ("store", "artifacts"):
        (rule,) = made.of_kind("aws_s3_bucket_server_side_encryption_configuration")[bucket]["rule"]
        assert rule["apply_server_side_encryption_by_default"][0]["kms_master_key_id"] == key
    for identity in IDENTITIES:
        assert made.role_policy(identity)["Statement"][-1] == {
            "Sid": "UseTheBucketsKey",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": key,
        }


def test_wrong_variables_are_refused_by_name(terraform_directory: Path) -> None:
    wrong = {
        "store_prefix": "/leading",
        "store_bucket": "Has.Dots",
        "oidc_provider_arn": "arn:aws:iam::1:role/x",
        "deleted_days": "0",
    }
    values = [f"-var={name}={value}" for name, value in wrong.items()]
    done = terraform(
        terraform_directory, "plan", "-refresh=false", "-var-file=example.tfvars.json", *values, check=False
    )
    assert done.returncode != 0
    assert all(name in done.stderr for name in wrong)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An account over HTTP, with everything applied. The provider waits a minute for the lifecycle to settle."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    place = prepared(tmp_path_factory.mktemp("applied"), endpoint)
    terraform(place, "apply", "-auto-approve", "-var-file=example.tfvars.json")
    yield endpoint
    server.stop()


@pytest.mark.slow
def test_it_can_be_applied(account: str, planned: Planned) -> None:
    """What the services then hold is what the plan said."""
    client = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-central-1")
    s3, iam = (client.client(name, endpoint_url=account) for name in ("s3", "iam"))
    assert s3.get_bucket_versioning(Bucket="example-ddpo-store")["Status"] == "Enabled"
    held = json.loads(s3.get_bucket_policy(Bucket="example-ddpo-store")["Policy"])
    assert held == planned.bucket_policy("store")
    for identity in IDENTITIES:
        policy = iam.get_role_policy(RoleName=f"ddpo-{identity}-ddpo", PolicyName="store")["PolicyDocument"]
        assert policy == planned.role_policy(identity)
