"""An iteration of the embedded policy as pods and as processes, on one S3 service: the same bytes.

`ddpo run` drives the real DAGs with the operators that a cluster has; the cluster is a small one, its containers are an
engine's. MLflow is a server that all of them reach. What containers of the docker profile commit: test_whole_stack.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.core import store
from components.core.base_model import TINY
from components.core.layout import RunLayout
from tests.infra.postgres import free_port
from tests.system.step_images import step_images
from tests.system.whole_stack import answers, until

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
    """One home, and for each run a bucket and a file that says where its steps run."""

    home: Path
    images: dict[str, str]
    variables: dict[str, str]
    connection: str = ""

    def run(self, profile: str, store_uri: str) -> subprocess.CompletedProcess[str]:
        """One iteration of `ddpo run smoke` under a profile."""
        file = self.home / f"{profile}.toml"
        named = "\n".join(f'{kind} = "{image}"' for kind, image in self.images.items())
        variables = "\n".join(f'{key} = "{value}"' for key, value in self.variables.items())
        file.write_text(
            f'profile = "{profile}"\nstore = "{store_uri}"\n[images]\n{named}\nunpinned = true\n'
            f"[variables]\n{variables}\n"
            '[kubernetes]\nconnection = "fake_cluster"\nsecrets = ["ddpo-s3-{step}"]\n'
        )
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "DDPO_", "MLFLOW_", "AWS_"))}
        given = kept | SECRETS | {"DDPO_ENVIRONMENT": str(file), "DDPO_HOME": str(self.home / profile)}
        given |= {"AIRFLOW_CONN_FAKE_CLUSTER": self.connection, "DDPO_RETRY_SECONDS": "0.2"}
        command = [sys.executable, "-c", "from dags.pipeline.cli import app; app()"]
        command += ["run", "smoke", "--run-id", "cats", "--iterations", "1"]
        return subprocess.run(command, env=given, text=True, capture_output=True, cwd=ROOT)


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


def test_pods_commit_what_processes_commit(site: Site, new_bucket: Any) -> None:
    """Every commit has equal content, and every picture equal bytes."""
    found = {}
    for profile in ("local", "kubernetes"):
        uri = f"s3://{new_bucket()}/store"
        done = site.run(profile, uri)
        assert done.returncode == 0, done.stderr
        assert store.find(RunLayout.of(uri, "cats").registration(1)) is not None
        found[profile] = digests(uri), pictures(uri)
    assert found["kubernetes"] == found["local"]
    committed, drawn = found["local"]
    assert "iterations/0000/training" in committed
    assert len(drawn) > 16
