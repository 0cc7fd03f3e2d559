"""What the fast tests say of a store on moto's server is true on Ceph's gateway."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.core import store
from components.core.errors import Unavailable
from tests.core.test_store import at_once
from tests.system.ceph import BUCKET, Ceph, missing, serving
from tests.system.step_images import not_run

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
BEHAVIOUR = ("tests/core/test_store.py", "tests/core/test_retention.py")
"""Files whose tests run over every kind of store."""


@pytest.fixture(scope="module")
def ceph() -> Iterator[Ceph]:
    if absent := missing():
        not_run(f"no Ceph: {', '.join(absent)} not installed")
    with serving() as ceph:
        yield ceph


@pytest.fixture
def root(ceph: Ceph, monkeypatch: pytest.MonkeyPatch) -> str:
    """URI of an empty store on the gateway, which the environment names."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in ceph.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


def test_the_gateway_passes_the_probe_twice(root: str) -> None:
    store.probe(root)
    store.probe(root)


def test_of_sixteen_creators_one_wins_in_each_of_twenty_races(root: str) -> None:
    for race in range(20):
        uri = f"{root}/race/{race:02d}.json"
        won = at_once(16, lambda i, uri=uri: store.create(uri, f"writer {i}".encode()))  # type: ignore[misc]
        assert Counter(won) == {True: 1, False: 15}, f"race {race}"
        assert store.read(uri) == f"writer {won.index(True)}".encode()


def test_a_listing_goes_on_after_a_thousand_names(root: str) -> None:
    at_once(12, lambda i: [store.create(f"{root}/many/{j:04d}", b"") for j in range(i, 1005, 12)])
    assert store.children(f"{root}/many") == [f"{j:04d}" for j in range(1005)]


def test_what_was_answered_is_there_after_the_gateway_died(
    ceph: Ceph, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create(f"{root}/x", b"durable")
    ceph.stop_gateway()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    try:
        with pytest.raises(Unavailable, match="no answer from S3"):
            store.read(f"{root}/x")
    finally:
        ceph.start_gateway()
    assert store.read(f"{root}/x") == b"durable"
    assert store.create(f"{root}/x", b"another") is False


def test_every_truth_about_a_store_is_one_about_the_gateway(ceph: Ceph) -> None:
    """The store's own tests and retention's, in a pytest of their own that is told of this endpoint."""
    named = {
        "DDPO_TEST_S3_ENDPOINT": ceph.endpoint,
        "DDPO_TEST_S3_KEY": f"{ceph.access_key}:{ceph.secret_key}",
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "s3 and not file", *BEHAVIOUR]
    done = subprocess.run(command, env=os.environ | named, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:]
    passed = int(done.stdout.rpartition(" passed")[0].rpartition("\n")[2].split()[-1])
    assert passed >= 40, done.stdout[-1000:]
