"""What Terraform would make, asked of Terraform itself and its AWS provider, without an account."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.infra.iam import Policy, document

SOURCE = Path(__file__).resolve().parents[2] / "infra" / "terraform"
PLUGINS = "DDPO_TERRAFORM_PLUGINS"
"""Variable that names a directory of providers, for a machine that cannot reach a registry."""

PROVIDER = """
provider "aws" {{
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true
{endpoints}
}}
"""


@dataclass(frozen=True)
class Planned:
    """The resources of a plan, by address."""

    resources: dict[str, dict[str, Any]]

    def of_kind(self, kind: str) -> dict[str, dict[str, Any]]:
        """Key -> values, of all resources of one type."""
        found = {a: v for a, v in self.resources.items() if a.startswith(f"{kind}.")}
        return {address.partition('["')[2].rstrip('"]'): values for address, values in found.items()}

    def role_policy(self, identity: str) -> Policy:
        """What an identity may do."""
        return document(self.of_kind("aws_iam_role_policy")[identity]["policy"])

    def bucket_policy(self, bucket: str) -> Policy:
        """What holds for everybody."""
        return document(self.of_kind("aws_s3_bucket_policy")[bucket]["policy"])


def prepared(directory: Path, endpoint: str | None = None) -> Path:
    """A copy of the configuration that needs no account, initialised. Skips where the provider cannot be had."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed")
    place = directory / "terraform"
    shutil.copytree(SOURCE, place, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    services = ("s3", "iam", "ecr", "sts") if endpoint else ()
    endpoints = "  endpoints {\n" + "".join(f'    {name} = "{endpoint}"\n' for name in services) + "  }"
    (place / "account_override.tf").write_text(PROVIDER.format(endpoints=endpoints if services else ""))
    plugins = os.environ.get(PLUGINS)
    made = terraform(place, "init", *([f"-plugin-dir={plugins}"] if plugins else []), check=False)
    if made.returncode:
        pytest.skip(f"terraform cannot get its provider here: {made.stderr.strip().splitlines()[-1]}")
    return place


def terraform(place: Path, command: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one command of Terraform."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TF_"))}
    environment |= {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "AWS_EC2_METADATA_DISABLED": "true"}
    takes_input = ("-input=false",) if command in ("init", "plan", "apply") else ()
    colour = () if command == "fmt" else ("-no-color",)
    done = subprocess.run(
        ["terraform", command, *colour, *takes_input, *arguments],
        cwd=place,
        env=environment,
        text=True,
        capture_output=True,
    )
    if check and done.returncode:
        raise AssertionError(f"terraform {command}: {done.stderr}")
    return done


def plan(place: Path, *arguments: str) -> Planned:
    """Resources that an apply would make, from the example's variables."""
    terraform(place, "plan", "-refresh=false", "-out=plan.bin", "-var-file=example.tfvars.json", *arguments)
    shown = json.loads(terraform(place, "show", "-json", "plan.bin").stdout)
    return Planned({r["address"]: r["values"] for r in shown["planned_values"]["root_module"]["resources"]})
