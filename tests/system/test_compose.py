"""`make up PROFILE=docker`: all of compose's services from the built images, and a campaign through them.

Postgres and the socket proxy come from registries; here stand-ins made of Debian's packages do their part, the proxy by
compose's own rules. The store is Ceph's gateway, on the engine's bridge.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.core import opening
from components.core.base_model import TINY
from components.core.layout import RunLayout
from dags.pipeline import presets
from tests.infra.compose_config import CHOSEN, COMPOSE
from tests.infra.postgres import free_port
from tests.system import ceph as ceph_gateway
from tests.system.ceph import BUCKET, Ceph
from tests.system.step_images import image_tag, not_run, step_images
from tests.system.whole_stack import FEWER, RUN, answers, digests, run_locally, until

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not (TINY / "model_index.json").is_file(), reason="the embedded policy's weights are not here"),
]

ENGINE = os.environ.get("ENGINE", "docker")
NETWORK = "ddpo-test-steps"


@dataclass
class Compose:
    """A deployment's settings, and what is up behind them."""

    settings: Path
    ceph: Ceph
    environment: dict[str, str]

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(COMPOSE / "up.sh"), *arguments]
        return subprocess.run(command, env=self.environment, text=True, capture_output=True)

    def setting(self, name: str) -> str:
        (value,) = re.findall(rf"^{name}=(.*)$", self.settings.read_text(), flags=re.MULTILINE)
        return str(value)

    def ask(self, path: str, data: Any = None) -> Any:
        """Airflow's REST API, as its administrator."""
        address = f"http://127.0.0.1:{self.setting('AIRFLOW_PORT')}"
        login = {"username": "admin", "password": self.setting("AIRFLOW_ADMIN_PASSWORD")}
        token = post(f"{address}/auth/token", login)["access_token"]
        return post(f"{address}/api/v2/{path}", data, {"Authorization": f"Bearer {token}"})


def post(url: str, data: Any, headers: dict[str, str] | None = None) -> Any:
    """Ask with JSON, or get where there is none to send."""
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"} | (headers or {}))
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def address_of_bridge() -> str:
    """Address of this machine on the engine's own bridge: containers of every network reach it."""
    asked = [ENGINE, "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def settings(directory: Path, ceph: Ceph) -> Path:
    """What an operator fills in, for this machine."""
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    chosen = CHOSEN | {
        "DDPO_AIRFLOW_IMAGE": f"ddpo-airflow:{image_tag()}",
        "MLFLOW_IMAGE": f"ddpo-mlflow:{image_tag()}",
        "POSTGRES_IMAGE": "ddpo-test-postgres:local",
        "DOCKER_PROXY_IMAGE": "ddpo-test-socket-proxy:local",
        "DDPO_STORE": f"s3://{BUCKET}/compose",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": ceph.endpoint,
        "DDPO_S3_ACCESS_KEY_ID": ceph.access_key,
        "DDPO_S3_SECRET_ACCESS_KEY": ceph.secret_key,
        "MLFLOW_ARTIFACTS": f"{ceph.new_bucket('mlflow')}/artifacts",
        "MLFLOW_S3_ACCESS_KEY_ID": ceph.access_key,
        "MLFLOW_S3_SECRET_ACCESS_KEY": ceph.secret_key,
        "DOCKER_GROUP_ID": str(Path(socket).stat().st_gid),
        "COMPOSE_PROJECT_NAME": "ddpo-test",
        "DDPO_WEIGHTS_DIRECTORY": str(directory),
    }
    more = {
        "AIRFLOW_PORT": str(free_port()),
        "MLFLOW_PORT": str(free_port()),
        "DDPO_STEPS_NETWORK": NETWORK,
        "DOCKER_SOCKET": socket,
        "DDPO_ENVIRONMENT_FILE": str(environment_file(directory, ceph)),
    }
    more["MLFLOW_ALLOWED_HOSTS"] = f"127.0.0.1:{more['MLFLOW_PORT']}"
    text = (COMPOSE / ".env.example").read_text()
    for name, value in chosen.items():
        text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
    file = directory / ".env"
    file.write_text(text + "".join(f"{name}={value}\n" for name, value in more.items()))
    return file


def environment_file(directory: Path, ceph: Ceph) -> Path:
    """The example of a deployment, with this store and these images, and without GPUs."""
    text = (COMPOSE.parent / "environments" / "docker.toml").read_text()
    for kind, image in step_images().items():
        text = re.sub(rf'^{kind} = ".*"$', f'{kind} = "{image}"', text, flags=re.MULTILINE)
    text = text.replace("[variables]", "unpinned = true\n\n[variables]", 1)
    text = text.replace("s3://example-ddpo-store", f"s3://{BUCKET}/compose")
    text = re.sub(r"^gpus = 1.*\n", "", text, flags=re.MULTILINE)
    text = text.replace('AWS_DEFAULT_REGION = "default"', 'AWS_DEFAULT_REGION = "us-east-1"\nOMP_NUM_THREADS = "1"')
    text = re.sub(r"^# AWS_ENDPOINT_URL = \S+.*$", f'AWS_ENDPOINT_URL = "{ceph.endpoint}"', text, flags=re.MULTILINE)
    text = text.replace('network = "ddpo-steps"', f'network = "{NETWORK}"').replace("/srv/ddpo/models", str(directory))
    text = re.sub(r"cpus = [48]$", "cpus = 2", text, flags=re.MULTILINE)  # an engine refuses more than there are
    file = directory / "environment.toml"
    file.write_text(text)
    file.chmod(0o644)
    return file


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    step_images()
    if absent := ceph_gateway.missing():
        not_run(f"no Ceph: {', '.join(absent)} not installed")
    if not (shutil.which("docker-compose") or shutil.which("docker")):
        not_run("neither docker-compose nor docker compose is installed")
    made = subprocess.run([Path(__file__).parent / "compose" / "stand-ins.sh"], text=True, capture_output=True)
    if made.returncode:
        not_run(f"no stand-ins for Postgres and the proxy: {made.stderr.strip().splitlines()[-1]}")
    directory = tmp_path_factory.mktemp("compose")
    directory.chmod(0o755)
    with ceph_gateway.serving(address_of_bridge()) as ceph, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ}
        for name, value in ceph.environment.items():
            patch.setenv(name, value)
        file = settings(directory, ceph)
        compose = Compose(file, ceph, kept | {"ENGINE": ENGINE, "DDPO_COMPOSE_SETTINGS": str(file)})
        compose("down", "--volumes")  # of a run that was killed: its passwords were others
        try:
            yield compose
        finally:
            compose("down", "--volumes")


def test_it_says_what_is_not_filled_in(compose: Compose, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    text = re.sub(r"^DDPO_STORE=.*$", "DDPO_STORE=", compose.settings.read_text(), flags=re.MULTILINE)
    file.write_text(text)
    compose.environment["DDPO_COMPOSE_SETTINGS"] = str(file)
    refused = compose()
    compose.environment["DDPO_COMPOSE_SETTINGS"] = str(compose.settings)
    assert (refused.returncode, refused.stderr) == (64, f"error: {file}: fill in DDPO_STORE\n")


def test_everything_comes_up_and_commits_what_one_process_on_a_laptop_commits(compose: Compose, tmp_path: Path) -> None:
    up = compose()
    assert up.returncode == 0, up.stderr[-4000:]
    assert up.stdout.splitlines()[-2].startswith("Airflow  http://localhost:")
    run = opening.open_run(f"s3://{BUCKET}/compose", RUN, presets.resolve("smoke", FEWER), preset="smoke")
    compose.ask(
        "dags/ddpo_retrain/dagRuns",
        {"logical_date": None, "dag_run_id": "cats", "conf": {"preset": None, "run_id": RUN}},
    )
    local = digests(run_locally(tmp_path))
    ended(compose)
    assert digests(run) == local
    shown(compose, run)


def ended(compose: Compose) -> None:
    """Wait for the campaign; a failed task is named."""

    def over() -> bool:
        failed = compose.ask("dags/~/dagRuns/~/taskInstances?state=failed")["task_instances"]
        assert failed == [], [(task["dag_run_id"], task["task_id"]) for task in failed]
        time.sleep(2)
        return bool(compose.ask("dags/ddpo_retrain/dagRuns/cats")["state"] == "success")

    until(over, "the campaign", 900)


def shown(compose: Compose, run: RunLayout) -> None:
    """MLflow has the curves, behind its login."""
    url = f"http://127.0.0.1:{compose.setting('MLFLOW_PORT')}"
    assert answers(f"{url}/health")
    login = b64encode(f"admin:{compose.setting('MLFLOW_ADMIN_PASSWORD')}".encode()).decode()
    search = {"experiment_ids": ["1"], "filter": f"tags.`ddpo.run_uri` = '{run.uri}'"}
    with pytest.raises(urllib.error.HTTPError, match="401"):
        post(f"{url}/api/2.0/mlflow/runs/search", search)
    found = post(f"{url}/api/2.0/mlflow/runs/search", search, {"Authorization": f"Basic {login}"})["runs"]
    kinds = {tag["value"] for one in found for tag in one["data"]["tags"] if tag["key"] == "ddpo.kind"}
    assert {"campaign", "iteration"} <= kinds
