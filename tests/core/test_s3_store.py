"""What an S3 service may answer, and what a step makes of it."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections.abc import Callable, Iterator

import pytest

from components.core import s3_objects, store
from components.core.errors import BadRequest, MissingInput, Unavailable
from tests.core.examples import a_request, commit
from tests.core.s3_double import LOST, S3Double, serving

ROOT = "s3://bucket/store"


@pytest.fixture
def double(s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Double]:
    """A service that misbehaves when told to; boto3 itself tries once."""
    with serving(S3Double()) as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL", service.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield service


@pytest.fixture
def careless(s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Double]:
    """A service that ignores If-None-Match."""
    with serving(S3Double(conditional=False)) as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL", service.url)
        yield service


def test_a_store_that_ignores_if_none_match_is_refused(careless: S3Double) -> None:
    with pytest.raises(BadRequest, match="ignores If-None-Match") as refusal:
        store.probe(ROOT)
    assert "AWS S3" in refusal.value.hint


def test_the_double_is_a_good_store_when_it_behaves(double: S3Double) -> None:
    store.probe(ROOT)
    assert commit(a_request(ROOT), {"a.txt": b"a"}) == store.open_committed(f"{ROOT}/here").manifest


def test_a_409_is_tried_again(double: S3Double) -> None:
    double.put_answers.extend([409, 409])
    assert store.create(f"{ROOT}/x.json", b"{}") is True
    assert double.puts == 3


def test_a_409_for_ever_is_unavailable(double: S3Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_objects._put_if_absent.retry, "sleep", lambda seconds: None)  # type: ignore[attr-defined]
    double.put_answers.extend([409] * 100)
    with pytest.raises(Unavailable, match="contended"):
        store.create(f"{ROOT}/x.json", b"{}")


def test_a_412_is_a_no(double: S3Double) -> None:
    assert store.create(f"{ROOT}/x.json", b"one") is True
    assert store.create(f"{ROOT}/x.json", b"one") is False


def test_a_writer_whose_answer_was_lost_finds_that_it_won(double: S3Double, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 repeats the put, and the repeat meets the first one's object: 412 from oneself."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    double.put_answers.append(LOST)
    assert store.create(f"{ROOT}/x.json", b"{}") is True
    assert double.puts == 2


def test_a_body_that_ends_early_is_read_again(double: S3Double) -> None:
    store.create(f"{ROOT}/x.txt", b"0123456789")
    double.torn_gets = 2
    assert store.read(f"{ROOT}/x.txt") == b"0123456789"


def test_a_body_that_always_ends_early_is_unavailable(double: S3Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_objects._get.retry, "sleep", lambda seconds: None)  # type: ignore[attr-defined]
    store.create(f"{ROOT}/x.txt", b"0123456789")
    double.torn_gets = 100
    with pytest.raises(Unavailable, match="ended within"):
        store.read(f"{ROOT}/x.txt")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_service_that_is_busy_is_unavailable(double: S3Double, status: int) -> None:
    double.put_answers.append(status)
    with pytest.raises(Unavailable, match=str(status)):
        store.create(f"{ROOT}/x.json", b"{}")


def test_a_service_without_conditional_puts_may_say_501(double: S3Double) -> None:
    double.put_answers.append(501)
    with pytest.raises(BadRequest, match="does not know"):
        store.probe(ROOT)


def test_a_service_that_is_not_there_is_unavailable(s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    calls: list[Callable[[], object]] = [
        lambda: store.read(f"{ROOT}/x"),
        lambda: store.create(f"{ROOT}/x", b""),
        lambda: store.children(ROOT),
        lambda: store.find(ROOT),
        lambda: store.Attempt(f"{ROOT}/here", step="prompts").write("x", b""),
    ]
    for call in calls:
        with pytest.raises(Unavailable, match="AWS_ENDPOINT_URL"):
            call()


def test_a_bucket_that_is_missing_is_named(s3_environment: str) -> None:
    for call in (store.probe, store.read, store.children):
        with pytest.raises(BadRequest, match="no bucket 'nobodys'"):
            call("s3://nobodys/store")


def test_a_refusal_names_the_rights_that_are_missing(double: S3Double) -> None:
    double.denied = "AccessDenied"
    for call in (store.probe, store.read, store.children):
        with pytest.raises(BadRequest, match=r"no permission .* s3:GetObject"):
            call(ROOT)


def test_a_wrong_key_is_told_apart_from_a_missing_right(double: S3Double) -> None:
    double.denied = "SignatureDoesNotMatch"
    with pytest.raises(BadRequest, match="does not accept these credentials"):
        store.probe(ROOT)


def test_a_missing_object_is_missing_input(double: S3Double) -> None:
    with pytest.raises(MissingInput, match="nothing at"):
        store.read(f"{ROOT}/x")


def test_missing_credentials_are_said_plainly(s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(BadRequest, match="credentials"):
        store.read(f"{ROOT}/x")


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_PROFILE", "nobody"), ("AWS_ENDPOINT_URL", "not a url")],
)
def test_a_wrong_setting_is_a_bad_request(
    s3_environment: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadRequest, match=name):
        store.read(f"{ROOT}/x")


def test_no_message_holds_a_secret(double: S3Double, monkeypatch: pytest.MonkeyPatch) -> None:
    double.denied = "AccessDenied"
    messages = []
    for endpoint in (
        double.url,
        double.url.replace("//", "//user:endpoint-secret@"),
        "http://user:endpoint-secret@x:9",
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises((BadRequest, Unavailable)) as refusal:
            store.read(f"{ROOT}/x")
        messages.append(str(refusal.value))
    assert not [m for m in messages if "secret" in m or "user" in m]


def test_every_put_carries_its_sha256_to_the_service(double: S3Double) -> None:
    commit(a_request(ROOT), {"a.txt": b"a"})
    for body, headers in double.objects.values():
        assert base64.b64decode(headers["x-amz-checksum-sha256"]) == hashlib.sha256(body).digest()


def test_a_listing_of_several_pages_is_whole(s3_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    names = [f"{n:04d}.json" for n in range(10)]
    for name in names:
        store.create(f"{s3_store}/many/{name}", b"")
    assert store.children(f"{s3_store}/many") == names


def test_threads_share_one_client_and_a_fork_has_its_own(s3_store: str) -> None:
    clients: list[object] = []
    threads = [threading.Thread(target=lambda: clients.append(s3_objects._client())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(client) for client in clients}) == 1
    child = os.fork()
    if child == 0:
        os._exit(0 if s3_objects._client() is not clients[0] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
