"""A store to write to, of both kinds: every truth about one is a truth about the other.

DDPO_TEST_S3_ENDPOINT   another S3 service than the one that is started here, for the same tests
DDPO_TEST_S3_KEY        its user's key and secret, as `key:secret`
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

# Numerics that must repeat run on one thread; and spinning threads of two test workers would fight for two cores.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Nobody pulls the plug on a test: fsync costs 8 ms on a busy disk, and a run makes hundreds.

    That it is called, and in which order, is tests/core/test_file_store.py's to say.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


S3_KEY, S3_SECRET = os.environ.get("DDPO_TEST_S3_KEY", "test:test-secret").split(":")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 service over real HTTP, on a free port."""
    if another := os.environ.get("DDPO_TEST_S3_ENDPOINT"):
        yield another
        return
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def new_bucket(s3_endpoint: str) -> Callable[[], str]:
    """Makes an empty bucket and returns its name."""
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=s3_endpoint,
        aws_access_key_id=S3_KEY,
        aws_secret_access_key=S3_SECRET,
        region_name="us-east-1",
    )

    def make() -> str:
        bucket = f"ddpo-{uuid.uuid4().hex[:12]}"
        client.create_bucket(Bucket=bucket)
        return bucket

    return make


@pytest.fixture
def s3_environment(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The endpoint, named in the environment as an operator would: child processes see it too."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", S3_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", S3_SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)  # not the developer's own
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return s3_endpoint


@pytest.fixture
def s3_store(s3_environment: str, new_bucket: Callable[[], str]) -> str:
    """An empty bucket."""
    return f"s3://{new_bucket()}/store"


@pytest.fixture
def file_store(tmp_path: Path) -> str:
    """An empty directory."""
    return (tmp_path / "store").as_uri()


@pytest.fixture(params=["file", "s3"])
def store_root(request: pytest.FixtureRequest) -> str:
    """URI of an empty store: a test that takes it runs over file:// and over s3://."""
    root: str = request.getfixturevalue(f"{request.param}_store")
    return root


@pytest.fixture(scope="session")
def pipeline_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random pipeline in diffusers' layout: real classes, where weights do not matter."""
    from tests.policy.pipelines import random_pipeline

    return random_pipeline(tmp_path_factory.mktemp("base") / "pipeline")
