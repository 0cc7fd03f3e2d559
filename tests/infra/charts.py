"""The chart, rendered by Helm's own engine, without a cluster."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).resolve().parents[2] / "infra" / "helm" / "ddpo"
EXAMPLES = ("aws", "ceph")
NAMESPACE = "ddpo"
KUBERNETES = "1.34"
"""Version whose schemas the manifests are held against."""

helm = pytest.importorskip("helm_python", reason="helm-python-sdk is not installed")
schemas = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")


def values(example: str) -> dict[str, Any]:
    """A complete set of values."""
    read: dict[str, Any] = yaml.safe_load((CHART / "ci" / f"{example}-values.yaml").read_text())
    return read


def rendered(chosen: dict[str, Any]) -> list[dict[str, Any]]:
    """Every manifest that an installation would send."""
    with helm.Chart.load(CHART) as chart:
        files = chart.render(chosen, name="ddpo", namespace=NAMESPACE)
    return [manifest for text in files.values() for manifest in yaml.safe_load_all(text) if manifest]


@cache
def manifests(example: str) -> list[dict[str, Any]]:
    """Those of an example; not to be changed."""
    return rendered(values(example))


def named(found: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """The one of this kind and name."""
    (manifest,) = [m for m in found if m["kind"] == kind and m["metadata"]["name"] == name]
    return manifest


def pod_templates(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Step -> the pod that KubernetesPodOperator starts from."""
    data = named(found, "ConfigMap", "ddpo-pod-templates")["data"]
    return {name.removesuffix(".yaml"): yaml.safe_load(text) for name, text in data.items()}


def pod_specs(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Name -> spec of every pod that can come of the chart: the steps', the job's, the server's."""
    made = {
        f"{m['kind']} {m['metadata']['name']}": m["spec"]["template"]["spec"]
        for m in found
        if m["kind"] in ("Deployment", "Job", "StatefulSet", "DaemonSet")
    }
    return made | {f"step {name}": pod["spec"] for name, pod in pod_templates(found).items()}


def valid(manifest: dict[str, Any]) -> None:
    """Raise unless Kubernetes' own schema knows every field."""
    schemas.validate(manifest, KUBERNETES, strict=True)
