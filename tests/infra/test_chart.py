"""What the chart asks of a cluster, field by field."""

from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.contracts import StepName
from dags.pipeline.steps import POOLS, STEPS
from tests.infra.charts import (
    CHART,
    EXAMPLES,
    NAMESPACE,
    helm,
    manifests,
    named,
    pod_specs,
    pod_templates,
    rendered,
    valid,
    values,
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_helm_finds_nothing_to_say(example: str) -> None:
    report = helm.lint(CHART, values(example), strict=True, namespace=NAMESPACE)
    assert report["errors"] == []
    assert [m["error"] for m in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_manifest_is_valid(example: str) -> None:
    found = manifests(example)
    assert len(found) >= 18
    for manifest in found:
        valid(manifest)
    for step, pod in pod_templates(found).items():
        valid({**pod, "metadata": {**pod["metadata"], "name": step}})


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_pod_is_restricted(example: str) -> None:
    """Kubernetes' Pod Security Standard `restricted`, and a read-only root file system and no token beyond it."""
    for name, spec in pod_specs(manifests(example)).items():
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        pod = spec["securityContext"]
        assert (pod["runAsNonRoot"], pod["runAsUser"], pod["runAsGroup"]) == (True, 10001, 10001), name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, (name, container["name"])
            assert "@sha256:" in container["image"], name
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            assert "memory" in container["resources"]["limits"], name
        assert not any("hostPath" in volume for volume in spec.get("volumes", ())), name


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_step_has_its_own_account_and_image(example: str) -> None:
    found = manifests(example)
    pods = pod_templates(found)
    assert set(pods) == {str(step) for step in StepName}
    images = {step: pod["spec"]["containers"][0]["image"].rsplit("/", 1)[1].split("@")[0] for step, pod in pods.items()}
    assert images == {
        "prompts": "ddpo-cpu",
        "sampling": "ddpo-diffusion",
        "scoring": "ddpo-scoring",
        "training": "ddpo-diffusion",
        "evaluation": "ddpo-cpu",
        "registration": "ddpo-cpu",
    }
    for step, pod in pods.items():
        assert pod["spec"]["serviceAccountName"] == f"ddpo-{step}"
        assert [container["name"] for container in pod["spec"]["containers"]] == ["base"]  # KubernetesPodOperator's
        named(found, "ServiceAccount", f"ddpo-{step}")


def test_a_step_ends_by_itself_and_asks_for_what_it_may_use() -> None:
    for step, pod in pod_templates(manifests("aws")).items():
        spec = pod["spec"]
        assert spec["restartPolicy"] == "Never"  # Airflow tries again, with a new attempt
        assert 1800 <= spec["activeDeadlineSeconds"] <= 28800, step
        resources = spec["containers"][0]["resources"]
        assert resources["limits"]["memory"] == resources["requests"]["memory"]
        assert spec["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_gpus_go_to_the_steps_that_the_dag_says_need_one() -> None:
    pods = pod_templates(manifests("aws"))
    gpus = {
        step: pod["spec"]["containers"][0]["resources"]["limits"].get("nvidia.com/gpu") for step, pod in pods.items()
    }
    assert gpus == {str(spec.step): (1 if spec.needs_gpu else None) for spec in STEPS.values()}
    assert pods["training"]["spec"]["nodeSelector"] == {"node.kubernetes.io/instance-type": "p5.48xlarge"}
    assert pods["sampling"]["spec"]["tolerations"][0]["key"] == "nvidia.com/gpu"
    (shared,) = [v for v in pods["training"]["spec"]["volumes"] if v["name"] == "shared-memory"]
    assert shared["emptyDir"]["medium"] == "Memory"  # torchrun's workers; 64 MiB otherwise


def test_no_secret_is_in_a_manifest() -> None:
    """Names of Secrets only; and no Secret is made."""
    for example in EXAMPLES:
        found = manifests(example)
        assert not [m for m in found if m["kind"] == "Secret"]
        for name, spec in pod_specs(found).items():
            for container in (*spec.get("initContainers", ()), *spec["containers"]):
                given = {e["name"] for e in container.get("env", ()) if "value" in e}
                assert not {n for n in given if "PASSWORD" in n or "SECRET" in n or "ACCESS_KEY" in n}, name


def test_credentials_are_a_role_or_a_secret_of_the_steps_own() -> None:
    aws, ceph = manifests("aws"), manifests("ceph")
    for step in StepName:
        role = named(aws, "ServiceAccount", f"ddpo-{step}")["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        assert role == f"arn:aws:iam::123456789012:role/ddpo-{step}-ddpo"
        assert "annotations" not in named(ceph, "ServiceAccount", f"ddpo-{step}")["metadata"]
        sources = pod_templates(ceph)[step]["spec"]["containers"][0]["envFrom"]
        assert sources[0] == {"secretRef": {"name": f"ddpo-s3-{step}"}}
    tracking = {"secretRef": {"name": "ddpo-tracking"}}
    users = [step for step, pod in pod_templates(ceph).items() if tracking in pod["spec"]["containers"][0]["envFrom"]]
    assert users == ["registration"]


def test_only_airflows_launcher_may_speak_to_the_cluster() -> None:
    found = manifests("aws")
    accounts = {
        m["metadata"]["name"]: m["automountServiceAccountToken"] for m in found if m["kind"] == "ServiceAccount"
    }
    assert [name for name, mounted in accounts.items() if mounted] == ["ddpo-airflow"]
    (binding,) = [m for m in found if m["kind"] == "RoleBinding"]
    assert [subject["name"] for subject in binding["subjects"]] == ["ddpo-airflow"]
    assert not [m for m in found if m["kind"] in ("ClusterRole", "ClusterRoleBinding")]
    rules = named(found, "Role", "ddpo-launcher")["rules"]
    assert {resource for rule in rules for resource in rule["resources"]} == {"pods", "pods/log", "events"}
    assert not any("*" in rule["verbs"] for rule in rules)


def policies_of(found: list[dict[str, Any]], labels: dict[str, str]) -> list[dict[str, Any]]:
    """The network policies that select a pod with these labels."""

    def selects(selector: dict[str, Any]) -> bool:
        equal = all(labels.get(k) == v for k, v in selector.get("matchLabels", {}).items())
        return equal and all(labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", ()))

    return [m["spec"] for m in found if m["kind"] == "NetworkPolicy" and selects(m["spec"]["podSelector"])]


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_step_reaches_dns_and_the_store_and_is_reached_by_nobody(example: str) -> None:
    found = manifests(example)
    store = {"aws": ("10.0.8.0/24", 443), "ceph": ("192.168.7.10/32", 443)}[example]
    for step, pod in pod_templates(found).items():
        specs = policies_of(found, pod["metadata"]["labels"])
        assert {kind for spec in specs for kind in spec["policyTypes"]} == {"Ingress", "Egress"}
        assert not [rule for spec in specs for rule in spec.get("ingress", ())]
        targets = {
            (
                to.get("ipBlock", {}).get("cidr")
                or json.dumps((to.get("podSelector") or to["namespaceSelector"])["matchLabels"]),
                port["port"],
            )
            for spec in specs
            for rule in spec.get("egress", ())
            for to in rule["to"]
            for port in rule["ports"]
        }
        expected = {('{"k8s-app": "kube-dns"}', 53), store}
        if step == "registration":
            mlflow = '{"app.kubernetes.io/part-of": "ddpo", "app.kubernetes.io/component": "mlflow"}'
            expected.add({"aws": (mlflow, 5000), "ceph": ("192.168.7.20/32", 443)}[example])
        if step == "scoring" and example == "aws":
            expected |= {('{"kubernetes.io/metadata.name": "rewards"}', 8700), ("10.0.7.5/32", 443)}
        assert targets == expected, step


def test_every_rule_names_a_target_and_a_port() -> None:
    """A rule without `to` is the whole world."""
    for example in EXAMPLES:
        for policy in [m for m in manifests(example) if m["kind"] == "NetworkPolicy"]:
            for rule in policy["spec"].get("egress", ()):
                assert rule["to"], policy["metadata"]["name"]
            for rule in policy["spec"].get("ingress", ()):
                assert rule["from"], policy["metadata"]["name"]


def test_the_deployment_file_says_what_the_values_say() -> None:
    data = named(manifests("aws"), "ConfigMap", "ddpo-environment")["data"]
    deployment = tomllib.loads(data["environment.toml"])
    assert deployment["profile"] == "kubernetes"
    assert deployment["store"] == "s3://example-ddpo-store"
    assert deployment["tracking_uri"] == "http://ddpo-mlflow.ddpo:5000"
    assert set(deployment["images"]) == {"cpu", "diffusion", "scoring"}
    assert deployment["resources"]["training"] == {"gpus": 1, "minutes": 480}
    pools = json.loads(data["pools.json"])
    assert set(pools) == set(POOLS) == set(deployment["pools"])
    assert {pool["include_deferred"] for pool in pools.values()} == {True}  # else deferred pods hold no slot
    assert pools["gpu"]["slots"] == 8


def test_a_reward_servers_token_is_for_scoring_and_its_address_stands_in_the_deployments_file() -> None:
    found = manifests("aws")
    token = {"secretRef": {"name": "ddpo-reward"}}
    holders = [s for s, p in pod_templates(found).items() if token in p["spec"]["containers"][0].get("envFrom", ())]
    assert holders == ["scoring"]
    deployment = tomllib.loads(named(found, "ConfigMap", "ddpo-environment")["data"]["environment.toml"])
    assert deployment["variables"]["DDPO_REWARD_URL"] == "http://reward.rewards:8700"


def test_weights_lie_on_a_volume_that_the_job_alone_writes() -> None:
    found = manifests("aws")
    (job,) = [m for m in found if m["kind"] == "Job"]
    assert job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [64, 65, 66]
    (claim,) = [m["metadata"]["name"] for m in found if m["kind"] == "PersistentVolumeClaim"]
    for step, pod in pod_templates(found).items():
        (container,) = pod["spec"]["containers"]
        mounts = [m for m in container["volumeMounts"] if m["name"] == "models"]
        sources = [v["persistentVolumeClaim"] for v in pod["spec"]["volumes"] if v["name"] == "models"]
        places = [e["value"] for e in container["env"] if e["name"] == "DDPO_MODELS"]
        if step in ("prompts", "evaluation"):
            assert (mounts, sources, places) == ([], [], []), step
        else:
            assert mounts == [{"name": "models", "mountPath": "/models", "readOnly": True}], step
            assert (sources, places) == ([{"claimName": claim, "readOnly": True}], ["/models"]), step


@pytest.mark.parametrize("key", ["weights.models", "images.cpu", "store.endpoint"])
def test_a_job_of_other_pods_has_another_name(key: str) -> None:
    """Kubernetes refuses to change a job's pods, and Helm would stop at that."""
    chosen = values("aws")
    section, leaf = key.split(".")
    chosen[section][leaf] = {
        "weights.models": chosen["weights"]["models"][:1],
        "images.cpu": chosen["images"]["diffusion"],
        "store.endpoint": "https://s3.example.org",
    }[key]
    names = {m["metadata"]["name"] for m in (*rendered(chosen), *manifests("aws")) if m["kind"] == "Job"}
    assert len(names) == 2


def test_another_pool_leaves_the_job_as_it_is() -> None:
    chosen = values("aws")
    chosen["pools"]["gpu"] = 2
    assert [m for m in rendered(chosen) if m["kind"] == "Job"] == [m for m in manifests("aws") if m["kind"] == "Job"]


def test_mlflow_asks_for_a_password_and_its_own_name() -> None:
    found = manifests("aws")
    (server,) = named(found, "Deployment", "ddpo-mlflow")["spec"]["template"]["spec"]["containers"]
    assert "--app-name=basic-auth" in server["command"]
    assert "--serve-artifacts" in server["command"]
    assert "--allowed-hosts=ddpo-mlflow:5000,ddpo-mlflow.ddpo:5000,mlflow.example.org" in server["command"]
    environment = {e["name"]: e["value"] for e in server["env"]}
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_BACKEND_STORE_URI"] == "postgresql+psycopg2:///mlflow"  # the password is libpq's
    assert not [m for m in manifests("ceph") if "mlflow" in m["metadata"]["name"] and m["kind"] == "Deployment"]


WRONG: list[tuple[str, Any, str]] = [
    ("images.cpu", "registry.example.org/ddpo-cpu:latest", "/images/cpu"),
    ("store.uri", "file:///tmp/store", "/store/uri"),
    ("store.egress", [], "/store/egress"),
    ("store.endpoint", "https://key:secret@rgw.example.org", "/store/endpoint"),
    ("tracking.secret", "", "/tracking/secret"),
    ("steps.training.gpu", 1, "gpu"),
    ("steps.training.image", "airflow", "/steps/training/image"),
    ("credentials.roleArns.sampling", None, "sampling"),
    ("weights.models", ["stable-diffusion-v1-5/stable-diffusion-v1-5@main"], "/weights/models/0"),
    ("weights.models", [], "/weights/models"),
    ("rewardServers", [{"cidr": "10.0.7.5/32", "namespace": "rewards", "port": 8700}], "/rewardServers/0"),
    ("rewardServers", [{"namespace": "rewards"}], "port"),
    ("variables", {"DDPO_REWARD_TOKEN": "open sesame"}, "DDPO_REWARD_TOKEN"),
    ("mlflow.database.host", "", "/mlflow/database/host"),
    ("user.uid", 0, "/user/uid"),
]


@pytest.mark.parametrize(("key", "value", "said"), WRONG, ids=[f"{key} {said}" for key, _, said in WRONG])
def test_wrong_values_are_refused_by_name(key: str, value: Any, said: str) -> None:
    chosen = copy.deepcopy(values("aws"))
    *path, leaf = key.split(".")
    section = chosen
    for part in path:
        section = section.setdefault(part, {})
    if value is None:
        del section[leaf]
    else:
        section[leaf] = value
    with pytest.raises(helm.HelmError, match=said):
        rendered(chosen)


def test_the_defaults_alone_are_refused() -> None:
    with pytest.raises(helm.HelmError, match="/images/cpu"):
        rendered({})


def test_the_operator_makes_of_a_template_what_the_template_says(tmp_path: Path) -> None:
    """KubernetesPodOperator's own merge: name, arguments and the run's labels are added, and nothing is lost."""
    pytest.importorskip("airflow.providers.cncf.kubernetes", reason="the Kubernetes provider is not installed")
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from kubernetes.client import ApiClient

    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    config = {
        "clusters": [cluster],
        "contexts": [context],
        "current-context": "c",
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    template = pod_templates(manifests("aws"))["training"]
    operator = KubernetesPodOperator(
        task_id="training",
        name="training",
        pod_template_dict=template,
        cmds=["python"],
        arguments=["-m", "components.training", "--request", "s3://b/r.json"],
        do_xcom_push=False,
        termination_message_policy="FallbackToLogsOnError",  # the operator's own default would win over the template's
        in_cluster=False,
        config_file=str(tmp_path / "config"),
    )
    pod = ApiClient().sanitize_for_serialization(operator.build_pod_request_obj())
    valid(pod)
    assert pod["spec"]["securityContext"] == template["spec"]["securityContext"]
    (sent,), (wanted,) = pod["spec"]["containers"], template["spec"]["containers"]
    limits = {name: str(amount) for name, amount in wanted["resources"]["limits"].items()}
    wanted = wanted | {"resources": wanted["resources"] | {"limits": limits}}
    assert {field: sent[field] for field in wanted} == wanted
    assert sent["args"][-1] == "s3://b/r.json"
    for field in template["spec"].keys() - {"containers"}:
        assert pod["spec"][field] == template["spec"][field], field
    assert pod["metadata"]["labels"].items() >= template["metadata"]["labels"].items()


def test_the_schema_is_json_that_people_can_read() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(schema["properties"]) == set(defaults) | {"global"}
