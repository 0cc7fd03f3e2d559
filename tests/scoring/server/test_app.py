"""The reward server's side: who may ask, how much, and what is said to those who may not. Over real HTTP."""

from __future__ import annotations

import base64
import io
import pickle
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from PIL import Image

from components.scoring.scorer import Scorer
from components.scoring.server import protocol
from components.scoring.server.protocol import Limits
from tests.scoring.misbehaving import Misbehaving, MisbehavingOptions
from tests.scoring.server.serving import scorer, serving
from tests.scoring.shards import encode, flat, noise, prompt

TOKEN = {"Authorization": "Bearer open sesame"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with a token, for at most 3 pictures and 1 MB."""
    limits = Limits(pictures=3, megabytes=1)
    with serving(scorer("jpeg_incompressibility"), token="open sesame", limits=limits) as place:
        yield place


def asked(picture: Image.Image | None = None, **changes: Any) -> dict[str, Any]:
    one: dict[str, Any] = protocol.pack(picture or flat(), prompt()).model_dump(mode="json")
    return {**one, **changes}


def score(url: str, *pictures: dict[str, Any], **changes: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/score", json={"version": 1, "pictures": pictures, **changes}, headers=TOKEN)


def test_a_request_and_its_answer_as_docs_show_them(url: str) -> None:
    answer = score(url, asked(), asked(noise(0)))
    assert answer.status_code == 200
    first, second = answer.json()["scores"]
    assert first == {
        "sample_id": "a-cat-000",
        "picture_sha256": asked()["picture_sha256"],
        "reward": 0.641,
        "parts": {"bytes": 641},
        "error": None,
    }
    assert second["reward"] == 1.835
    assert answer.json()["scorer_id"] == scorer("jpeg_incompressibility").id


def test_anybody_learns_that_it_lives_and_only_a_friend_who_it_is(url: str) -> None:
    assert httpx.get(f"{url}/health").json() == {"status": "ok"}
    identity = httpx.get(f"{url}/identity", headers=TOKEN).json()
    assert identity["name"] == "jpeg_incompressibility"
    assert identity["limits"] == {"pictures": 3, "megabytes": 1}
    assert identity["description"]["options"] == {"quality": 95, "subsampling": "4:2:0"}


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer open", "Bearer open sesame!", "Basic open sesame", "é"])
@pytest.mark.parametrize("path", ["/identity", "/v1/score", "/openapi.json", "/nothing"])
def test_a_stranger_is_told_nothing(url: str, path: str, given: str | None) -> None:
    headers = {"Authorization": given.encode()} if given is not None else {}
    answer = httpx.post(url + path, headers=headers) if "score" in path else httpx.get(url + path, headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {"error": "this reward server wants a token", "exit_code": None}


def png_of(side: int) -> bytes:
    """A valid PNG header of a huge grey picture, and next to nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("changes", "status", "exit_code", "said"),
    [
        ({"png": b64(encode(noise(1)))}, 422, 65, "a-cat-000 does not show the pixels of its picture_sha256"),
        ({"png": b64(b"not at all")}, 422, 65, "a-cat-000 is no PNG"),
        ({"png": b64(encode(flat(), "JPEG"))}, 422, 65, "a-cat-000 is no PNG"),
        ({"png": b64(encode(noise(1))[:500])}, 422, 65, "a-cat-000 is no PNG"),
        ({"png": b64(png_of(5000))}, 422, 64, "a-cat-000 is 5000 x 5000 pixels, and at most 4096 may be"),
        ({"png": b64(png_of(30_000))}, 422, 64, "a-cat-000 has too many pixels: at most 4096 x 4096 may be"),
        ({"file_format": "JPEG"}, 422, 65, "a-cat-000 is a JPEG file"),
        ({"png": "!"}, 422, 65, "a-cat-000 is no PNG"),
        ({"picture_sha256": "me"}, 400, 64, "body.pictures.0.picture_sha256"),
        ({"pickle": "gASVIAAAAAAA"}, 400, 64, "body.pictures.0.pickle: Extra inputs are not permitted"),
    ],
)
def test_a_picture_that_is_not_right_is_named(
    url: str, changes: dict[str, Any], status: int, exit_code: int, said: str
) -> None:
    answer = score(url, asked(**changes))
    assert (answer.status_code, answer.json()["exit_code"]) == (status, exit_code)
    assert said in answer.json()["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"version": 2, "pictures": []}'])
def test_what_is_no_request_is_400_and_not_repeated(url: str, body: bytes) -> None:
    headers = {**TOKEN, "Content-Type": "application/json"}
    answer = httpx.post(f"{url}/v1/score", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("no request of version 1: body")


def test_a_pickle_is_not_even_looked_at(url: str) -> None:
    headers = {**TOKEN, "Content-Type": "application/octet-stream"}
    answer = httpx.post(f"{url}/v1/score", content=pickle.dumps({"version": 1}), headers=headers)
    assert (answer.status_code, answer.json()["exit_code"]) == (400, 64)


def test_another_version_and_no_pictures(url: str) -> None:
    assert "body.version" in score(url, asked(), version=2).json()["error"]
    assert "body.pictures" in score(url).json()["error"]


def test_too_much_is_413_before_it_is_read(url: str) -> None:
    assert score(url, *[asked()] * 4).json()["error"] == "4 pictures, and at most 3 may be asked for"
    large = asked(png=b64(bytes(10**6)))
    answer = score(url, large)
    assert answer.status_code == 413
    assert answer.json()["error"] == "1 MB, and at most 1 may be sent"


def test_a_body_of_unknown_length_is_411(url: str) -> None:
    answer = httpx.post(f"{url}/v1/score", content=iter([b"{}"]), headers=TOKEN)
    assert answer.status_code == 411


def test_no_such_page_is_json_too(url: str) -> None:
    answer = httpx.get(f"{url}/v2/score", headers=TOKEN)
    assert (answer.status_code, answer.json()) == (404, {"error": "Not Found", "exit_code": None})


class _Counting(Misbehaving):
    """Counts how many ask it at once."""

    inside = 0
    most = 0

    def score(self, pictures: Any, prompts: Any) -> Any:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.02)
        self.inside -= 1
        return super().score(pictures, prompts)


def test_a_reward_is_asked_for_one_batch_at_a_time() -> None:
    """And the page of health answers meanwhile."""
    reward = _Counting(MisbehavingOptions())
    with serving(Scorer("counting", reward, {"name": "counting"})) as place:
        clients = [threading.Thread(target=score, args=(place, asked())) for _ in range(6)]
        for client in clients:
            client.start()
        assert httpx.get(f"{place}/health").status_code == 200
        for client in clients:
            client.join()
    assert (len(reward.batches), reward.most) == (6, 1)


class _Broken(Misbehaving):
    """Fails where nobody looks: in its description."""


def test_what_nobody_foresaw_is_500_without_its_words() -> None:
    broken = Scorer("broken", _Broken(MisbehavingOptions()), {"secret": object()})  # type: ignore[dict-item]
    with serving(broken) as place:
        answer = httpx.get(f"{place}/identity")
    assert answer.status_code == 500
    assert answer.json()["error"].endswith("in the reward server: see its log")
    assert "secret" not in answer.text


def test_a_picture_that_never_was_a_file_and_one_that_was() -> None:
    """PNG -> pixels -> PNG: the same digest, the same format, the same pixels."""
    for picture in (noise(3, 9), Image.open(io.BytesIO(encode(noise(4)))), flat().convert("L")):
        there = protocol.unpack(protocol.ScoreRequest.model_validate({"pictures": [asked(picture)]}).pictures[0])
        assert there.tobytes() == picture.convert("RGB").tobytes()
        assert there.format == picture.format
