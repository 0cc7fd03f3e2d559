"""Our values for Airflow's own chart: what they say, and what that chart makes of them where it is at hand."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.charts import CHART, NAMESPACE, helm, manifests, named, valid

VALUES: dict[str, Any] = yaml.safe_load((CHART.parent / "airflow-values.yaml").read_text())
CHART_VARIABLE = "DDPO_AIRFLOW_CHART"


def test_no_password_is_given_only_names_of_secrets() -> None:
    text = (CHART.parent / "airflow-values.yaml").read_text()
    assert set(re.findall(r"^(\w*[sS]ecretName|\w*KeySecretName|jwtSecretName): (\S+)", text, re.MULTILINE)) == {
        ("fernetKeySecretName", "ddpo-airflow-fernet"),
        ("apiSecretKeySecretName", "ddpo-airflow-api"),
        ("jwtSecretName", "ddpo-airflow-jwt"),
    }
    assert VALUES["data"] == {"metadataSecretName": "ddpo-airflow-database"}
    assert VALUES["createUserJob"] == {"enabled": False}
    assert VALUES["postgresql"] == {"enabled": False}


def test_it_uses_what_our_chart_makes() -> None:
    ours = manifests("aws")
    for component in ("scheduler", "triggerer", "apiServer"):
        account = VALUES[component]["serviceAccount"]
        assert account["create"] is False
        named(ours, "ServiceAccount", account["name"])
    for volume in VALUES["volumes"]:
        if "configMap" in volume:
            named(ours, "ConfigMap", volume["configMap"]["name"])
    named(ours, "PriorityClass", VALUES["scheduler"]["priorityClassName"])
    assert not VALUES["allowPodLaunching"]  # the launcher's role is ours


def test_the_airflow_is_the_one_that_is_installed() -> None:
    from importlib.metadata import version

    assert VALUES["airflowVersion"] == version("apache-airflow")


@pytest.mark.skipif(not os.environ.get(CHART_VARIABLE), reason=f"{CHART_VARIABLE} names no unpacked official chart")
def test_airflows_own_chart_takes_them() -> None:
    """By the official chart: valid, restricted, and only scheduler and triggerer have the launcher's account."""
    with helm.Chart.load(Path(os.environ[CHART_VARIABLE])) as chart:
        chart.validate_schema(VALUES)
        files = chart.render(VALUES, name="airflow", namespace=NAMESPACE)
    made = [m for path, text in files.items() if path.endswith(".yaml") for m in yaml.safe_load_all(text) if m]
    launchers = set()
    for manifest in made:
        valid(manifest)
        spec = manifest.get("spec", {}).get("template", {}).get("spec")
        if not spec:
            continue
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, (manifest["metadata"]["name"], container["name"])
            assert "@sha256:" in container["image"]
        if spec["serviceAccountName"] == "ddpo-airflow":
            launchers.add(manifest["metadata"]["name"])
    assert launchers == {"airflow-scheduler", "airflow-triggerer"}
    assert not [
        m
        for m in made
        if m["kind"] == "Role" and "pods" in m["rules"][0]["resources"] and "create" in m["rules"][0]["verbs"]
    ]
