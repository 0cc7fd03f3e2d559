"""A reward asked over HTTP: what becomes of everything that a server can do. Missing is never 0, and never guessed."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.core import store
from components.core.config import RewardConfig
from components.core.contracts import ScoringResult, StepName
from components.core.errors import BadData, BadRequest, MissingInput, Unavailable
from components.core.runner import run_request
from components.scoring.rewards.remote import Remote, RemoteOptions
from components.scoring.rewards.reward import Score
from components.scoring.scorer import Scorer, _load, as_score
from components.scoring.server.protocol import Limits
from tests.scoring.server.serving import Reply, Told, answer, scorer, serving
from tests.scoring.shards import commit_shard, encode, flat, noise, prompts, reward_rows, scoring_request

MISBEHAVING = "tests.scoring.misbehaving:Misbehaving"
PICTURES = [noise(seed) for seed in range(3)]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No server of another test is known, and no token."""
    for name in ("DDPO_REWARD_URL", "DDPO_REWARD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    _load.cache_clear()
    yield
    _load.cache_clear()


def client(monkeypatch: pytest.MonkeyPatch, url: str, **options: Any) -> Remote:
    monkeypatch.setenv("DDPO_REWARD_URL", url)
    return Remote(RemoteOptions(**{"backoff": 0, "timeout": 5, **options}))


@contextmanager
def told(monkeypatch: pytest.MonkeyPatch, *replies: Reply, **options: Any) -> Iterator[tuple[Remote, Told]]:
    server = Told(*replies)
    with server.serving() as url:
        yield client(monkeypatch, url, **options), server


def test_a_reward_behind_the_real_server_gives_what_it_gives_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewards and parts to the bit, in order, over requests of 2 and 1."""
    here = scorer("jpeg_incompressibility")
    with serving(here) as url:
        remote = client(monkeypatch, url, batch=2)
        assert remote.score(PICTURES, prompts(3)) == here.reward.score(PICTURES, prompts(3))
    assert remote.identity() == {"name": here.name, "scorer_id": here.id, "description": here.description}


def test_a_lossy_file_is_refused_behind_the_server_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It travels as a PNG, and is still no lossless picture: the JPEG reward's own refusal comes back, as 65."""
    lossy = Image.open(io.BytesIO(encode(noise(), "JPEG")))
    with serving(scorer("jpeg_incompressibility")) as url, pytest.raises(BadData, match="a-cat-000 is a JPEG file"):
        client(monkeypatch, url).score([lossy], prompts(1))


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("nan", "the reward is nan"),
        ("inf", "the reward is inf"),
        ("none", "the scorer gave no reward"),
        ("words", "the reward is no number: 'very good'"),
    ],
)
def test_what_a_served_reward_does_not_know_is_missing(
    monkeypatch: pytest.MonkeyPatch, behaviour: str, error: str
) -> None:
    with serving(scorer(MISBEHAVING, behaviour=behaviour, pictures=[1])) as url:
        scores = client(monkeypatch, url).score(PICTURES, prompts(3))
    assert [score.reward for score in scores] == [0.5, None, 0.5]
    assert scores[1].error == error


def test_an_exception_of_a_served_reward_is_missing_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(scorer(MISBEHAVING, behaviour="raise")) as url:
        scores = client(monkeypatch, url).score(PICTURES, prompts(3))
    assert scores == [Score.missing("RuntimeError: the model fell over")] * 3


def test_a_served_reward_of_wrong_length_is_bad_data(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(scorer(MISBEHAVING, behaviour="one short")) as url, pytest.raises(BadData, match="2 scores for 3"):
        client(monkeypatch, url).score(PICTURES, prompts(3))


def test_a_served_reward_that_is_busy_is_asked_again_and_then_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    served = scorer(MISBEHAVING, behaviour="busy", pictures=[0])
    with serving(served) as url:
        remote = client(monkeypatch, url, attempts=3)
        (missing,) = remote.score(PICTURES[:1], prompts(1))
        assert served.reward.batches == [1, 1, 1]  # type: ignore[attr-defined]
        assert (missing.reward, missing.error) == (
            None,
            "the reward server answered 503: the reward server is busy",
        )


# ------------------------------------------------------------------ a server that is told what to answer


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), None])
def test_a_number_that_is_none_makes_its_own_picture_missing(monkeypatch: pytest.MonkeyPatch, number: Any) -> None:
    """JSON has no NaN, and Python's own encoder writes it all the same."""
    with told(monkeypatch, lambda asked: answer(asked, [0.1, number, 0.3])) as (remote, _):
        scores = [as_score(score) for score in remote.score(PICTURES, prompts(3))]
    assert [score.reward for score in scores] == [0.1, None, 0.3]
    assert scores[1].error


def test_a_number_in_the_parts_that_is_none_is_missing_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def heat(asked: dict[str, Any]) -> dict[str, Any]:
        given = answer(asked)
        given["scores"][0]["parts"] = {"heat": float("nan")}
        return given

    with told(monkeypatch, heat) as (remote, _):
        scores = [as_score(score) for score in remote.score(PICTURES, prompts(3))]
    assert [score.reward for score in scores] == [None, 1.5, 2.5]


def wrong_length(asked: dict[str, Any]) -> dict[str, Any]:
    given = answer(asked)
    given["scores"].pop()
    return given


def wrong_order(asked: dict[str, Any]) -> dict[str, Any]:
    given = answer(asked)
    given["scores"].reverse()
    return given


@pytest.mark.parametrize(
    ("reply", "message"),
    [(wrong_length, "gave 2 scores for 3 pictures"), (wrong_order, "for a-cat-002 where a-cat-000 was asked")],
)
def test_scores_of_nobody_knows_which_picture_are_bad_data(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, message: str
) -> None:
    with told(monkeypatch, reply) as (remote, _), pytest.raises(BadData, match=message):
        remote.score(PICTURES, prompts(3))


def test_an_order_is_wrong_even_where_the_prompt_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    same = [prompts(1)[0]] * 3
    with told(monkeypatch, wrong_order) as (remote, _), pytest.raises(BadData, match="for a-cat-000 where"):
        remote.score(PICTURES, same)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((500, b"oh no"), "answered 500: Internal Server Error"),
        ((502, b'{"error": "no upstream"}'), "answered 502: no upstream"),
        ((429, b""), "answered 429"),
        ((200, b"<html>sign in</html>"), "no ScoreAnswer: answer: Invalid JSON"),
        ((200, b'{"version": 1, "scores": ['), "no ScoreAnswer: answer: Invalid JSON"),
        ((200, b'{"version": 1, "scorer_id": "aesthetic@1"}'), "no ScoreAnswer: scores: Field required"),
        (lambda asked: answer(asked, ["good"] * 3), "no ScoreAnswer: scores.0.reward"),
        (lambda asked: {**answer(asked), "version": 2}, "no ScoreAnswer: version"),
    ],
)
def test_what_is_no_answer_is_asked_for_again_and_then_missing(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, reason: str
) -> None:
    with told(monkeypatch, reply, attempts=3) as (remote, server):
        scores = remote.score(PICTURES, prompts(3))
    assert len(server.asked) == 3
    assert [score.reward for score in scores] == [None] * 3
    assert all(reason in str(score.error) for score in scores)


def test_a_server_that_comes_back_in_time_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with told(monkeypatch, (503, b""), (200, b"no"), answer, attempts=3) as (remote, _):
        assert [score.reward for score in remote.score(PICTURES, prompts(3))] == [0.5, 1.5, 2.5]


def test_a_timeout_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()

    def wait(asked: dict[str, Any]) -> dict[str, Any]:
        given_up.wait(20)
        return answer(asked)

    with told(monkeypatch, wait, attempts=2, timeout=0.7) as (remote, server):
        scores = remote.score(PICTURES, prompts(3))
        given_up.set()
        assert len(server.asked) == 2
    assert scores == [Score.missing("ReadTimeout: timed out")] * 3


def test_a_server_that_stays_away_is_asked_once_for_each_further_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """3 attempts for the first request of 4 pictures, then 1 for each of the other two; it comes back for the third."""
    away: Reply = (500, b"")
    with told(monkeypatch, away, away, away, away, answer, attempts=3) as (remote, server):
        scores = remote.score([flat()] * 12, prompts(12))
        assert len(server.asked) == 5
        assert [score.reward for score in scores] == [None] * 8 + [0.5, 1.5, 2.5, 3.5]


@pytest.mark.parametrize("empty", [(200, b""), lambda asked: answer({"pictures": []})])
def test_an_empty_answer_is_asked_once_more(monkeypatch: pytest.MonkeyPatch, empty: Reply) -> None:
    with told(monkeypatch, empty, answer) as (remote, _):
        assert [score.reward for score in remote.score(PICTURES, prompts(3))] == [0.5, 1.5, 2.5]
    with told(monkeypatch, empty, attempts=9) as (remote, server):
        assert remote.score(PICTURES, prompts(3)) == [Score.missing("the server gave no score, twice")] * 3
        assert len(server.asked) == 2


def test_a_server_that_becomes_another_scorer_ends_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    other: Reply = lambda asked: answer(asked, scorer_id="aesthetic@2")  # noqa: E731
    with told(monkeypatch, answer, other) as (remote, _):
        remote.score(PICTURES, prompts(3))
        with pytest.raises(BadData, match="was aesthetic@1 and is now aesthetic@2"):
            remote.score(PICTURES, prompts(3))


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        ((401, b'{"error": "a token"}'), BadRequest, r"401: a token \(is DDPO_REWARD_TOKEN the server's"),
        ((404, b""), BadRequest, "answered 404: Not Found"),
        ((307, b""), BadRequest, "answered 307"),
        ((422, b'{"error": "no weights", "exit_code": 66}'), MissingInput, "422: no weights"),
        ((413, b'{"error": "too large"}'), BadRequest, "413: too large"),
    ],
)
def test_what_no_attempt_mends_is_final(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, error: type[Exception], message: str
) -> None:
    with told(monkeypatch, reply) as (remote, server):
        with pytest.raises(error, match=message):
            remote.score(PICTURES, prompts(3))
        assert len(server.asked) == 1


def test_the_servers_own_limit_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with told(monkeypatch, answer, batch=100) as (remote, server):
        remote.score([flat()] * 9, prompts(9))
    assert [len(asked["pictures"]) for asked in server.asked] == [4, 4, 1]


# ------------------------------------------------------------------ where it is, and who


def test_a_server_that_is_away_when_a_step_begins_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9 does not answer: ConnectError"):
        client(monkeypatch, "http://127.0.0.1:9", attempts=2)


def test_the_token_of_the_environment_opens_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(scorer("jpeg_compressibility"), token="open sesame") as url:
        with pytest.raises(BadRequest, match="401: this reward server wants a token"):
            client(monkeypatch, url)
        monkeypatch.setenv("DDPO_REWARD_TOKEN", "open sesame")
        assert client(monkeypatch, url).score([flat()], prompts(1)) == [Score(-0.641, {"bytes": 641})]


def test_a_token_read_from_a_file_ends_in_a_newline_and_no_token_is_ever_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """HTTP libraries repeat a header that they refuse, and their message would reach the log."""
    with serving(scorer("jpeg_compressibility"), token="open sesame") as url:
        monkeypatch.setenv("DDPO_REWARD_TOKEN", "open sesame\n")
        assert client(monkeypatch, url).score([flat()], prompts(1)) == [Score(-0.641, {"bytes": 641})]
        for token in ("open\nsesame", "open s\xe9same"):
            monkeypatch.setenv("DDPO_REWARD_TOKEN", token)
            with pytest.raises(BadRequest, match="DDPO_REWARD_TOKEN holds a character") as refused:
                client(monkeypatch, url)
            assert "same" not in str(refused.value)


def test_two_servers_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with a variable and a token of its own: the token of one is never sent to another."""
    monkeypatch.setenv("DDPO_REWARD_TOKEN", "for the other")
    with serving(scorer("jpeg_compressibility"), token="for this") as url:
        monkeypatch.setenv("DDPO_REWARD_URL_JPEG", url)
        with pytest.raises(BadRequest, match="401"):
            Remote(RemoteOptions(server="JPEG"))
        monkeypatch.setenv("DDPO_REWARD_TOKEN_JPEG", "for this")
        assert Remote(RemoteOptions(server="JPEG")).identity()["name"] == "jpeg_compressibility"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "DDPO_REWARD_URL is not set"),
        ("reward.example.org:8700", "DDPO_REWARD_URL is no http:// or https:// URL"),
        ("http://me:secret@reward", "DDPO_REWARD_URL is no http:// or https:// URL without a user"),
        ("http://reward:port", "DDPO_REWARD_URL is no http"),
    ],
)
def test_a_wrong_place_is_named_and_never_shown(monkeypatch: pytest.MonkeyPatch, url: str | None, message: str) -> None:
    if url:
        monkeypatch.setenv("DDPO_REWARD_URL", url)
    with pytest.raises(BadRequest, match=message) as refused:
        Remote(RemoteOptions())
    assert "secret" not in str(refused.value)


def test_where_and_how_patiently_is_no_part_of_who(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two places, two time-outs, one scorer; another scorer behind the same place is another."""

    def who(url: str, **options: Any) -> Scorer:
        monkeypatch.setenv("DDPO_REWARD_URL", url)
        _load.cache_clear()
        return scorer("remote", **options)

    plain, four = scorer("jpeg_compressibility"), scorer("jpeg_compressibility", subsampling="4:4:4")
    with serving(plain) as here, serving(plain) as there, serving(four) as other:
        assert who(here).id == who(there, timeout=3, attempts=9, batch=2, backoff=0).id
        assert who(here).id != who(other).id
        with pytest.raises(BadRequest, match=f"the reward server is {four.id}, not {plain.id}"):
            who(other, scorer_id=plain.id)


# ------------------------------------------------------------------ in the step


def test_the_step_with_a_served_reward(file_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_shard(file_store, [flat(), noise(0)])
    request = scoring_request(file_store, RewardConfig(name="remote"), RewardConfig(name="jpeg_compressibility"))
    with serving(scorer("jpeg_incompressibility")) as url:
        monkeypatch.setenv("DDPO_REWARD_URL", url)
        result = ScoringResult.model_validate(run_request(StepName.SCORING, request).result)
    assert [row.reward for row in reward_rows(request)] == [0.641, 1.835, -0.641, -1.835]
    assert (result.scored, result.missing) == (2, 0)
    scorers = store.open_committed(request.out).read("scorers.json").decode()
    assert '"libjpeg"' in scorers
    assert url not in scorers


def test_more_than_5_per_cent_without_an_answer_is_tried_again_later(
    file_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8 pictures in two requests of 4; the second stays without an answer: 4 of 8, exit 75 and no commit."""
    commit_shard(file_store, [flat()] * 8)
    request = scoring_request(file_store, RewardConfig(name="remote", options={"attempts": 1}))
    server = Told(answer, (500, b""))
    with server.serving() as url:
        monkeypatch.setenv("DDPO_REWARD_URL", url)
        with pytest.raises(Unavailable, match=r"4 of 8 rewards of remote are missing.*answered 500"):
            run_request(StepName.SCORING, request)
    assert store.find(request.out) is None


def test_pictures_arrive_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every channel of every pixel, of any size, as the colourfulness of each shows."""
    here = scorer("tests.scoring.colourfulness:Colourfulness")
    pictures = [noise(5, 17), Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))]
    with serving(here, limits=Limits(pictures=1)) as url:
        scores = client(monkeypatch, url).score(pictures, prompts(2))
    assert [score.reward for score in scores] == here.reward.score(pictures, prompts(2))


def test_a_client_needs_neither_torch_nor_a_server() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'transformers', 'fastapi', 'uvicorn')))\n"
        "import components.scoring.rewards.remote, components.scoring.rewards.combined"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
