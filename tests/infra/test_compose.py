"""What compose would start, read by compose itself; no engine is needed for that."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.compose_config import COMPOSE, FILE, compose, config, settings_in


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete .env, made as an operator makes it."""
    return settings_in(tmp_path_factory.mktemp("compose"))


@pytest.fixture(scope="module")
def services(settings: Path) -> dict[str, dict[str, Any]]:
    """Service -> what compose would start."""
    done = config(settings)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = yaml.safe_load(done.stdout)["services"]
    return found


def lines(file: Path) -> dict[str, str]:
    """The settings of an .env file."""
    pairs = (line.partition("=") for line in file.read_text().splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def test_the_example_holds_no_secret_and_nothing_starts_with_it(tmp_path: Path) -> None:
    example = lines(COMPOSE / ".env.example")
    assert {name for name, value in example.items() if value} == {
        "COMPOSE_PROJECT_NAME",
        "DDPO_WEIGHTS_DIRECTORY",
    }
    refused = config(COMPOSE / ".env.example")
    assert refused.returncode != 0
    assert "by digest" in refused.stderr


REQUIRED = sorted(set(re.findall(r"\$\{([A-Z0-9_]+):\?", FILE.read_text())))


@pytest.mark.parametrize("name", REQUIRED)
def test_each_needed_setting_is_asked_for_by_name(settings: Path, tmp_path: Path, name: str) -> None:
    """An empty one is refused as a missing one is, and the answer says what to do."""
    without = tmp_path / ".env"
    without.write_text(re.sub(rf"^{name}=.*$", f"{name}=", settings.read_text(), flags=re.MULTILINE))
    done = config(without)
    assert done.returncode != 0, name
    assert name in done.stderr


def test_every_setting_without_a_default_stands_in_the_example() -> None:
    assert set(REQUIRED) <= set(lines(COMPOSE / ".env.example"))


def test_no_credential_has_a_default() -> None:
    """`${NAME:-value}` is for what is no secret."""
    defaults = set(re.findall(r"\$\{([A-Z0-9_]+):-", FILE.read_text()))
    assert not {name for name in defaults if re.search("PASSWORD|SECRET|KEY|TOKEN", name)}


def test_secrets_are_random_once_and_then_kept(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for file in (first, second):
        shutil.copy(COMPOSE / ".env.example", file)
        subprocess.run([COMPOSE / "make-secrets.sh", file], check=True, capture_output=True)
    one, other = lines(first), lines(second)
    made = {name for name in one if one[name] and not lines(COMPOSE / ".env.example")[name]}
    assert len(made) == 10
    assert all(len(one[name]) >= 44 and one[name] != other[name] for name in made)
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    again = subprocess.run([COMPOSE / "make-secrets.sh", first], check=True, capture_output=True, text=True)
    assert (again.stdout, lines(first)) == ("", one)


def test_the_fernet_key_is_one(settings: Path) -> None:
    fernet = pytest.importorskip("cryptography.fernet")
    assert fernet.Fernet(lines(settings)["AIRFLOW_FERNET_KEY"])


def test_every_service_is_restricted(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert "@sha256:" in service["image"], name
        assert service["pids_limit"], name
    added = {name: service["cap_add"] for name, service in services.items() if "cap_add" in service}
    root = {name for name, service in services.items() if service["user"].startswith("0")}
    assert (added, root) == ({"volume-owner": ["CHOWN"]}, {"volume-owner"})
    assert services["volume-owner"]["network_mode"] == "none"


def test_what_stays_up_says_whether_it_is_well(services: dict[str, dict[str, Any]]) -> None:
    staying = {name for name, service in services.items() if service["restart"] != "no"}
    assert staying == {
        *("postgres", "mlflow", "docker-proxy"),
        *("api-server", "scheduler", "dag-processor", "triggerer"),
    }
    assert all("healthcheck" in services[name] and "mem_limit" in services[name] for name in staying)


def test_nothing_starts_before_the_store_is_proven(services: dict[str, dict[str, Any]]) -> None:
    for name in ("api-server", "scheduler", "dag-processor", "triggerer"):
        waits = services[name]["depends_on"]
        assert waits["store-check"]["condition"] == "service_completed_successfully", name
        assert waits["airflow-prepare"]["condition"] == "service_completed_successfully", name
    assert "store.probe(" in services["store-check"]["command"][0]


def test_the_pools_are_made_as_the_deployments_file_says(services: dict[str, dict[str, Any]]) -> None:
    """tests/infra/test_services_in_containers.py looks at what comes of it."""
    (script,) = services["airflow-prepare"]["command"]
    assert "from dags.pipeline.dag_runs import make_pools; make_pools()" in script
    assert services["airflow-prepare"]["environment"]["DDPO_ENVIRONMENT"] == "/etc/ddpo/environment.toml"
    mounted = [str(volume) for volume in services["airflow-prepare"]["volumes"]]
    assert any("environment.toml" in volume and "/etc/ddpo/environment.toml" in volume for volume in mounted)


def test_who_holds_the_stores_key_and_who_reaches_docker(services: dict[str, dict[str, Any]]) -> None:
    holders = {name for name, s in services.items() if s.get("environment", {}).get("AWS_ACCESS_KEY_ID") == "store-key"}
    assert holders == {"scheduler", "triggerer", "store-check", "weights"}
    assert {name for name, s in services.items() if "docker" in s.get("networks", {})} == {"scheduler", "docker-proxy"}
    sockets = {name for name, s in services.items() if any("docker.sock" in str(v) for v in s.get("volumes", ()))}
    assert sockets == {"docker-proxy"}
    assert services["mlflow"]["environment"]["AWS_ACCESS_KEY_ID"] == "artifacts-key"
    admins = {name for name, s in services.items() if any("ADMIN_PASSWORD" in key for key in s.get("environment", {}))}
    assert admins == {"api-server", "mlflow", "mlflow-user"}


def test_ports_are_published_on_loopback_only(settings: Path) -> None:
    published = yaml.safe_load(config(settings).stdout)
    ports = [port for service in published["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 2
    assert all(str(p).startswith("127.0.0.1:") or (isinstance(p, dict) and p["host_ip"] == "127.0.0.1") for p in ports)
    internal = {name for name, network in published["networks"].items() if (network or {}).get("internal")}
    assert internal == {"databases", "docker"}


ASKED = [
    ("GET", "/version", True),
    ("GET", "/v1.41/images/json", True),
    ("POST", "/v1.41/images/create", True),
    ("POST", "/v1.41/containers/create", True),
    ("POST", "/v1.41/containers/0a1b2c/attach", True),
    ("POST", "/v1.41/containers/0a1b2c/start", True),
    ("POST", "/v1.41/containers/0a1b2c/wait", True),
    ("GET", "/v1.41/containers/0a1b2c/logs", True),
    ("GET", "/v1.41/containers/0a1b2c/json", True),
    ("DELETE", "/v1.41/containers/0a1b2c", True),
    ("POST", "/v1.41/containers/0a1b2c/exec", False),
    ("POST", "/v1.41/exec/0a1b2c/start", False),
    ("POST", "/v1.41/volumes/create", False),
    ("POST", "/v1.41/build", False),
    ("POST", "/v1.41/containers/0a1b2c/update", False),
    ("GET", "/v1.41/containers/json", False),
    ("GET", "/v1.41/secrets", False),
    ("PUT", "/v1.41/containers/0a1b2c/archive", False),
    ("DELETE", "/v1.41/images/0a1b2c", False),
]


@pytest.mark.parametrize(("method", "path", "passes"), ASKED, ids=[f"{m} {p}" for m, p, _ in ASKED])
def test_dockers_proxy_lets_through_what_a_step_needs(
    services: dict[str, dict[str, Any]], method: str, path: str, passes: bool
) -> None:
    """The proxy anchors each expression at both ends (its README), as fullmatch does."""
    given = [
        flag.partition("=")[2] for flag in services["docker-proxy"]["command"] if flag.startswith(f"-allow{method}=")
    ]
    assert any(re.fullmatch(expression, path) for expression in given) is passes


def test_only_the_weights_can_be_bound_from_the_machine(services: dict[str, dict[str, Any]]) -> None:
    assert "-allowbindmountfrom=/srv/ddpo/models" in services["docker-proxy"]["command"]
    assert "-allowfrom=scheduler" in services["docker-proxy"]["command"]


def test_settings_that_compose_takes_are_all_that_its_start_asks_for(settings: Path, tmp_path: Path) -> None:
    """With an engine that answers nothing but its version, up.sh comes as far as compose's own start."""
    compose()  # skips where none is installed
    engine = tmp_path / "engine"
    engine.write_text("#!/bin/sh\nexit 0\n")
    engine.chmod(0o755)
    deployment = tmp_path / "environment.toml"
    deployment.write_text('profile = "docker"\n')
    file = tmp_path / ".env"
    file.write_text(settings.read_text() + f"DDPO_ENVIRONMENT_FILE={deployment}\n")
    kept = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
    start = [str(COMPOSE / "up.sh")]
    told = kept | {"ENGINE": str(engine), "DDPO_COMPOSE_SETTINGS": str(file)}
    done = subprocess.run(start, env=told, text=True, capture_output=True)
    assert "fill in" not in done.stderr
    assert done.stdout.splitlines()[-1] == "starting: about two minutes ..."
    assert done.returncode == 64
