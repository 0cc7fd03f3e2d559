"""The pod that the operator would send: valid by Kubernetes' own schema, and field by field what the file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.core.contracts import StepName
from dags.pipeline.environment import load

pytest.importorskip("airflow.providers.cncf.kubernetes", reason="the extra `containers` is not installed")
schemas = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "infra" / "environments" / "kubernetes.toml"
VERSION = "1.34"


def operator(step: StepName, **arguments: Any) -> Any:
    from dags.pipeline.kubernetes_profile import KubernetesStepOperator

    return KubernetesStepOperator(task_id=str(step), step=step, request=f"s3://b/{step}.json", **arguments)


def pod(step: StepName) -> dict[str, Any]:
    """The pod as JSON, as the API gets it; strictly valid."""
    from kubernetes.client import ApiClient

    made: dict[str, Any] = ApiClient().sanitize_for_serialization(operator(step).build_pod_request_obj(dry_run=True))
    schemas.validate(made, VERSION, strict=True)
    return made


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPO_ENVIRONMENT", str(EXAMPLE))


@pytest.mark.parametrize("step", StepName)
def test_every_pod_is_confined(example: None, step: StepName) -> None:
    """Kubernetes' Pod Security Standard `restricted`, a read-only root and no token beyond it."""
    spec = pod(step)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["hostNetwork"] is False
    assert spec["restartPolicy"] == "Never"
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
    assert writable == {"/tmp", "/dev/shm"}
    assert not any("hostPath" in volume for volume in spec["volumes"])


def test_a_training_pod_field_by_field(example: None) -> None:
    made = pod(StepName.TRAINING)
    spec = made["spec"]
    (container,) = spec["containers"]
    assert made["metadata"]["namespace"] == "ddpo"
    assert made["metadata"]["name"].startswith("ddpo-training-")
    assert (
        made["metadata"]["labels"].items()
        >= {
            "app.kubernetes.io/part-of": "ddpo",
            "app.kubernetes.io/component": "training",
        }.items()
    )
    assert made["metadata"]["annotations"] == {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    assert spec["serviceAccountName"] == "ddpo-training"
    assert spec["activeDeadlineSeconds"] == 480 * 60
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["priorityClassName"] == "ddpo-steps"
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["nodeSelector"] == {"node.kubernetes.io/instance-type": "p5.4xlarge"}
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert container["name"] == "base"
    assert container["image"] == load(EXAMPLE).image(StepName.TRAINING)
    assert container["command"] == ["python"]
    assert container["args"] == ["-m", "components.training", "--request", "s3://b/training.json"]
    assert container["env"] == [
        {"name": "DDPO_STORE", "value": "s3://example-ddpo-store"},
        {"name": "AWS_DEFAULT_REGION", "value": "eu-central-1"},
        {"name": "DDPO_MODELS", "value": "/models"},
        {"name": "DDPO_IMAGE", "value": load(EXAMPLE).image(StepName.TRAINING)},
    ]
    assert container["envFrom"] == [{"secretRef": {"name": "ddpo-s3-training"}}]
    assert container["resources"] == {
        "requests": {"cpu": "8000m", "memory": "48Gi", "ephemeral-storage": "10Gi"},
        "limits": {"memory": "48Gi", "ephemeral-storage": "10Gi", "nvidia.com/gpu": "1"},
    }
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    volumes = {volume.pop("name"): volume for volume in spec["volumes"]}
    assert volumes == {
        "scratch": {"emptyDir": {"sizeLimit": "10Gi"}},
        "shared-memory": {"emptyDir": {"medium": "Memory", "sizeLimit": "48Gi"}},
        "volume-0": {"persistentVolumeClaim": {"claimName": "ddpo-models", "readOnly": True}},
    }
    assert {m["name"]: m["mountPath"] for m in container["volumeMounts"]} == {
        "scratch": "/tmp",
        "shared-memory": "/dev/shm",
        "volume-0": "/models",
    }


def test_a_step_without_a_gpu_asks_for_none(example: None) -> None:
    spec = pod(StepName.SCORING)["spec"]
    assert set(spec["containers"][0]["resources"]["limits"]) == {"memory", "ephemeral-storage"}
    assert not spec.get("tolerations")


def test_only_registration_is_given_mlflow(example: None) -> None:
    for step in StepName:
        (container,) = pod(step)["spec"]["containers"]
        tracking = {"secretRef": {"name": "ddpo-tracking"}} in container["envFrom"]
        named = "MLFLOW_TRACKING_URI" in {variable["name"] for variable in container["env"]}
        assert (tracking, named) == (step == StepName.REGISTRATION,) * 2


def test_no_worker_waits_and_nothing_travels_by_xcom(example: None) -> None:
    made = operator(StepName.TRAINING)
    assert made.deferrable is True
    assert made.durable is True
    assert made.do_xcom_push is False
    assert (made.schedule_timeout_seconds, made.startup_timeout_seconds) == (3600, 900)
    # an hour for a node, 15 minutes for the image, eight hours for the work; five minutes where nobody keeps those
    assert made.execution_timeout.total_seconds() == 3600 + 900 + 8 * 3600 + 300


@pytest.mark.parametrize("example", ["aws", "ceph"])
def test_the_charts_templates_stand_in_for_the_files_pod(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the chart renders is read by this very code: the file it writes, and the pods it describes."""
    pytest.importorskip("helm_python", reason="helm-python-sdk is not installed")
    import yaml

    from tests.infra.charts import manifests, named, pod_templates

    found = manifests(example)
    text = named(found, "ConfigMap", "ddpo-environment")["data"]["environment.toml"]
    file = tmp_path / "environment.toml"
    file.write_text(text.replace("/etc/ddpo/pods", str(tmp_path)))
    for step, template in pod_templates(found).items():
        (tmp_path / f"{step}.yaml").write_text(yaml.safe_dump(template))
    monkeypatch.setenv("DDPO_ENVIRONMENT", str(file))
    for step in StepName:
        made, template = pod(step), pod_templates(found)[str(step)]
        (sent,), (wanted,) = made["spec"]["containers"], template["spec"]["containers"]
        assert sent["image"] == wanted["image"] == load(file).image(step)
        assert sent["args"] == ["-m", f"components.{step}", "--request", f"s3://b/{step}.json"]
        for field in ("securityContext", "envFrom", "volumeMounts", "terminationMessagePolicy"):
            assert (sent.get(field) or []) == (wanted.get(field) or []), field
        for field in template["spec"].keys() - {"containers"}:
            assert made["spec"][field] == template["spec"][field], field
        variables = [variable["name"] for variable in sent["env"]]
        assert len(variables) == len(set(variables)), "a name given twice"
        assert load(file).resources_of(step).minutes * 60 == template["spec"]["activeDeadlineSeconds"]


ENDED = [
    (
        {"exit": 66, "message": "2026 ERROR   x.y: prompts: MissingInput: no rows"},
        "exit 66: MissingInput: no rows",
        True,
    ),
    ({"exit": 137, "reason": "OOMKilled", "message": "it grows"}, "OOMKilled: it grows", False),
    ({"exit": 143, "reason": "Error", "message": ""}, "killed by SIGTERM: it wrote nothing", False),
    (
        {"exit": 66, "why": "Evicted", "told": "The node was low on\nmemory."},
        "Evicted: The node was low on memory.",
        False,
    ),
    (
        {"waiting": "ImagePullBackOff", "message": 'Back-off pulling "x"'},
        'ImagePullBackOff: Back-off pulling "x"',
        False,
    ),
    (
        {"waiting": "ImagePullBackOff", "why": "DeadlineExceeded", "told": "too long"},
        "DeadlineExceeded: too long",
        False,
    ),
    ({}, "the trigger's word", False),
]


@pytest.mark.parametrize(("status", "said", "final"), ENDED, ids=[said for _, said, _ in ENDED])
def test_why_a_pod_failed_is_one_line(status: dict[str, Any], said: str, final: bool) -> None:
    from airflow.sdk.exceptions import AirflowFailException
    from kubernetes.client import models as k8s

    from dags.pipeline.kubernetes_profile import end_of

    state = k8s.V1ContainerState()
    if "exit" in status:
        state.terminated = k8s.V1ContainerStateTerminated(
            exit_code=status["exit"], reason=status.get("reason"), message=status.get("message")
        )
    if "waiting" in status:
        state.waiting = k8s.V1ContainerStateWaiting(reason=status["waiting"], message=status.get("message"))
    base = k8s.V1ContainerStatus(name="base", image="", image_id="", ready=False, restart_count=0, state=state)
    ended = k8s.V1PodStatus(container_statuses=[base], reason=status.get("why"), message=status.get("told"))
    error = end_of(StepName.PROMPTS, k8s.V1Pod(status=ended), "the trigger's\nword")
    assert str(error) == f"prompts: {said}"
    assert isinstance(error, AirflowFailException) is final


def test_a_pod_that_is_gone_is_tried_again() -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from dags.pipeline.kubernetes_profile import end_of

    error = end_of(StepName.PROMPTS, None, "Pod ddpo/x not found")
    assert str(error) == "prompts: Pod ddpo/x not found"
    assert not isinstance(error, AirflowFailException)
