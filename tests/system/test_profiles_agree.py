"""Two iterations of the embedded policy under each profile, on one S3 service: the same bytes, whatever happens.

`ddpo run` drives the real DAGs; the steps are processes, containers of an engine, or pods of a small cluster. MLflow is
a server that all of them reach.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.core import store
from components.core.base_model import TINY
from components.core.layout import RunLayout
from tests.system.step_images import step_images

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not (TINY / "model_index.json").is_file(), reason="the embedded policy's weights are not here"),
]

SECRETS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret"}
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Site:
    """One home, one bucket for each run, and one file that says where steps run."""

    home: Path
    images: dict[str, str]
    variables: dict[str, str]
    connection: str = ""

    def run(self, profile: str, name: str, store_uri: str, *options: str) -> subprocess.CompletedProcess[str]:
        """`ddpo run smoke` under a profile."""
        file = self.home / f"{name}.toml"
        named = "\n".join(f'{kind} = "{image}"' for kind, image in self.images.items())
        variables = "\n".join(f'{key} = "{value}"' for key, value in self.variables.items())
        file.write_text(
            f'profile = "{profile}"\nstore = "{store_uri}"\n[images]\n{named}\nunpinned = true\n'
            f"[variables]\n{variables}\n"
            f'[docker]\nnetwork = "host"\nsecrets = {json.dumps(list(SECRETS))}\n'
            '[kubernetes]\nconnection = "fake_cluster"\nsecrets = ["ddpo-s3-{step}"]\n'
        )
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "DDPO_", "MLFLOW_", "AWS_"))}
        given = kept | SECRETS | {"DDPO_ENVIRONMENT": str(file), "DDPO_HOME": str(self.home / name)}
        given |= {"AIRFLOW_CONN_FAKE_CLUSTER": self.connection, "DDPO_RETRY_SECONDS": "0.2"}
        command = [sys.executable, "-c", "from dags.pipeline.cli import app; app()", "run", "smoke", "--run-id", "cats"]
        return subprocess.run([*command, *options], env=given, text=True, capture_output=True, cwd=ROOT)


def digests(store_uri: str) -> dict[str, str]:
    """Prefix below the run -> the content digest of what is committed there, but for what names its own store."""
    run = RunLayout.of(store_uri, "cats")
    prefixes = [
        path.removesuffix("/COMMITTED.json") for path, _, _ in store.below(run.uri) if "/COMMITTED.json" in path
    ]
    made = {prefix: store.open_committed(f"{run.uri}/{prefix}").manifest for prefix in prefixes}
    named = ("plan", "registration")
    return {prefix: m.content_digest for prefix, m in made.items() if not any(word in prefix for word in named)}


def pictures(store_uri: str) -> dict[str, str]:
    """Path of each picture -> sha256 of its bytes, as they were committed."""
    run = RunLayout.of(store_uri, "cats")
    found = {}
    for prefix in digests(store_uri):
        for file in store.open_committed(f"{run.uri}/{prefix}").manifest.files:
            if file.path.endswith(".png"):
                found[f"{prefix}/{file.path}"] = file.sha256
    return found


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    return step_images()


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MLflow's server on its database."""
    directory = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{directory}/mlflow.db"]
    command += ["--serve-artifacts", "--artifacts-destination", (directory / "artifacts").as_uri()]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    with subprocess.Popen(command, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), "MLflow", 120)
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@pytest.fixture(scope="module")
def site(
    images: dict[str, str], mlflow: str, s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    from components.core.contracts import StepName
    from tests.system.cluster import Cluster

    home = tmp_path_factory.mktemp("site")
    cluster = Cluster(home, secrets={f"ddpo-s3-{step}": SECRETS for step in StepName})
    variables = {
        "OMP_NUM_THREADS": "1",  # equal bytes are promised on one thread
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_TRACKING_URI": mlflow,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (variables | SECRETS).items():
            patch.setenv(name, value)
        yield Site(home, images, variables, cluster.connection)
    cluster.close()


@pytest.fixture(scope="module")
def local(site: Site, new_bucket: Any) -> str:
    """The run with steps on this machine, that every other is held against."""
    uri = f"s3://{new_bucket()}/store"
    done = site.run("local", "local", uri)
    assert done.returncode == 0, done.stderr
    return uri


def agrees(local: str, other: str, iterations: int) -> None:
    """Every commit has equal content, every picture equal bytes. A run of one iteration evaluates policy 1 instead."""
    ours, theirs = digests(local), digests(other)
    if iterations == 2:
        assert theirs == ours
        assert pictures(other) == pictures(local)
    else:
        theirs = {prefix: digest for prefix, digest in theirs.items() if "policy-0001" not in prefix}
        assert theirs == {prefix: ours[prefix] for prefix in theirs}
    assert {f"iterations/{k:04d}/training" for k in range(iterations)} <= theirs.keys()
    assert store.find(RunLayout.of(other, "cats").registration(iterations)) is not None
    assert len(pictures(local)) > 16


def test_containers_commit_what_processes_commit(site: Site, local: str, new_bucket: Any) -> None:
    uri = f"s3://{new_bucket()}/store"
    done = site.run("docker", "docker", uri)
    assert done.returncode == 0, done.stderr
    agrees(local, uri, iterations=2)
    assert left_containers(uri) == []


def test_a_container_that_is_killed_changes_nothing(site: Site, local: str, new_bucket: Any) -> None:
    """SIGKILL to the first sampling; it is tried again, and every digest is that of an undisturbed run."""
    uri = f"s3://{new_bucket()}/store"
    killed: list[str] = []

    def kill() -> None:
        import docker

        engine = docker.from_env()
        while not killed:
            for container in engine.containers.list(filters={"label": [f"ddpo.store={uri}"]}):
                if container.labels["ddpo.task"].endswith("sampling"):
                    time.sleep(1.5)
                    container.kill()
                    killed.append(container.labels["ddpo.task"])
                    return
            time.sleep(0.1)

    threading.Thread(target=kill, daemon=True).start()
    done = site.run("docker", "killed", uri, "--iterations", "1")
    assert done.returncode == 0, done.stderr
    assert killed
    assert "killed by SIGKILL" in done.stdout + done.stderr
    agrees(local, uri, iterations=1)


def test_pods_commit_what_processes_commit(site: Site, local: str, new_bucket: Any) -> None:
    uri = f"s3://{new_bucket()}/store"
    done = site.run("kubernetes", "kubernetes", uri, "--iterations", "1")
    assert done.returncode == 0, done.stderr
    agrees(local, uri, iterations=1)


def left_containers(store_uri: str) -> list[str]:
    """Containers of a store's runs that are still there, running or not."""
    import docker

    found = docker.from_env().containers.list(all=True, filters={"label": [f"ddpo.store={store_uri}"]})
    return [container.name for container in found]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def until(condition: Any, what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.3)
