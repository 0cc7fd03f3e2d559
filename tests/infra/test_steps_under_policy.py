"""The real steps, each with nothing but its own role: what the policies grant is enough for a whole iteration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from components.core import campaign, s3_objects, store, tracking
from components.core.base_model import TINY
from components.core.config import load_config
from components.core.contracts import StepName
from components.core.errors import BadRequest
from components.core.opening import open_run
from components.core.runner import load_request, run_request
from dags.pipeline.plans import Plan, plan_evaluation, plan_iteration, plan_registration
from tests.infra.iam import Call, allowed
from tests.infra.terraform_plan import Planned

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not (TINY / "model_index.json").is_file(), reason="the embedded policy's weights are not here"),
]

PLANNED = "arn:aws:s3:::example-ddpo-store"
"""The bucket that the policies speak of; the service's own has a name of its own."""
SMOKE = Path(__file__).resolve().parents[2] / "dags" / "presets" / "smoke.toml"


class Guarded:
    """boto3's S3 client, with the role's and the bucket's policies before it: moto itself reads no bucket policy."""

    def __init__(self, planned: Planned, bucket: str) -> None:
        self.planned = planned
        self.bucket = bucket
        self.identity = "airflow"
        self.client = boto3.session.Session().client("s3")
        self.asked: set[tuple[str, str]] = set()

    def put_object(self, **request: Any) -> Any:
        self._check("PutObject", request, request["Key"])
        return self.client.put_object(**request)

    def get_object(self, **request: Any) -> Any:
        self._check("GetObject", request, request["Key"])
        return self.client.get_object(**request)

    def head_object(self, **request: Any) -> Any:
        self._check("GetObject", request, request["Key"])
        return self.client.head_object(**request)

    def get_paginator(self, name: str) -> Any:
        assert name == "list_objects_v2"
        self._check("ListBucket", {})
        return self.client.get_paginator(name)

    def _check(self, action: str, request: dict[str, Any], key: str = "") -> None:
        context = {"aws:securetransport": "true"}
        if "IfNoneMatch" in request:
            context["s3:if-none-match"] = request["IfNoneMatch"]
        call = Call(
            action=f"s3:{action}",
            resource=f"{PLANNED}/{key}" if key else PLANNED,
            principal=f"arn:aws:iam::123456789012:role/ddpo-{self.identity}-ddpo",
            context=context,
        )
        self.asked.add((self.identity, action))
        if not allowed(call, self.planned.role_policy(self.identity), self.planned.bucket_policy("store")):
            answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, action)


@pytest.fixture
def guarded(
    planned: Planned,
    new_bucket: Callable[[], str],
    s3_environment: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Guarded:
    client = Guarded(planned, new_bucket())
    client.client.put_bucket_versioning(Bucket=client.bucket, VersioningConfiguration={"Status": "Enabled"})
    monkeypatch.setattr(s3_objects, "_client", lambda: client)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("DDPO_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return client


def run_all(guarded: Guarded, plan: Plan) -> None:
    """Every request of a plan, in order, each by its own step's role."""
    for name in plan.names:
        step = StepName(name.partition("-")[0])
        guarded.identity = str(step)
        try:
            run_request(step, load_request(step, plan.uri(name)))
        finally:
            guarded.identity = "airflow"


def test_an_iteration_with_nothing_but_the_roles(guarded: Guarded) -> None:
    """Probe, opening, baseline evaluation, iteration 0, evaluation and registration of policy 1, curves in MLflow."""
    prompts = Path("prompts.txt")
    prompts.write_text("a cat\na dog\na fox\na bear\n")  # the run keeps its own copy, which the prompts step reads
    smaller = ("iterations=1", "evaluation.every=1", f'prompts.train="{prompts.absolute()}"')
    root = f"s3://{guarded.bucket}"
    store.probe(root)
    run = open_run(root, "monday", load_config(SMOKE, smaller))
    run_all(guarded, plan_evaluation(campaign.load(run), 0))
    run_all(guarded, plan_iteration(run, 0))
    run_all(guarded, plan_evaluation(campaign.load(run), 1))
    run_all(guarded, plan_registration(campaign.load(run), 1))
    tracking.project(run)

    assert store.find(run.training(0)) is not None
    assert store.find(run.registration(1)) is not None
    assert {identity for identity, action in guarded.asked if action == "PutObject"} == {"airflow", *map(str, StepName)}
    versions = guarded.client.list_object_versions(Bucket=guarded.bucket)["Versions"]
    assert {version["IsLatest"] for version in versions} == {True}  # nothing was ever written twice

    guarded.identity = "sampling"
    with pytest.raises(BadRequest, match="no permission"):
        store.create(f"{root}/promotions/ddpo-tiny/0000.json", b"{}")
