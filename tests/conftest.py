"""A store to write to, of both kinds: every truth about one is a truth about the other."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 service over real HTTP, on a free port."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_environment(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The endpoint, named in the environment as an operator would: child processes see it too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return s3_endpoint


@pytest.fixture
def s3_store(s3_environment: str) -> str:
    """An empty bucket."""
    bucket = f"ddpo-{uuid.uuid4().hex[:12]}"
    boto3.session.Session().client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/store"


@pytest.fixture
def file_store(tmp_path: Path) -> str:
    """An empty directory."""
    return (tmp_path / "store").as_uri()


@pytest.fixture(params=["file", "s3"])
def store_root(request: pytest.FixtureRequest) -> str:
    """URI of an empty store: a test that takes it runs over file:// and over s3://."""
    root: str = request.getfixturevalue(f"{request.param}_store")
    return root
