"""A captioner over real HTTP: each thing that can go wrong has its named outcome, and none of them is "" or 0."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from components.core.config import RewardConfig
from components.core.contracts import StepName
from components.core.errors import BadRequest, Unavailable
from components.core.runner import run_request
from components.scoring.rewards.captioners.captioner import SILENT, Unanswered, ask
from components.scoring.rewards.captioners.chat_service import TOKEN_VARIABLE, URL_VARIABLE, ChatService
from components.scoring.rewards.captioners.options import ChatServiceOptions
from components.scoring.scorer import Scorer, load_scorers
from tests.scoring.captioners.chat_double import MODEL, Behaviour, ChatDouble, Reply, says, served
from tests.scoring.shards import commit_shard, flat, noise, prompts, scoring_request

QUESTION = "What is this?"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ChatService]:
    """A captioner of a service, patient for no longer than a test should be."""

    def connect(double: ChatDouble, **options: Any) -> ChatService:
        monkeypatch.setenv(URL_VARIABLE, double.url)
        chosen = {"kind": "http", "model": MODEL, "timeout": 5.0, "attempts": 3, "backoff": 0.0, **options}
        return ChatService(ChatServiceOptions.model_validate(chosen))

    return connect


def one(captioner: ChatService) -> str | Unanswered:
    (answer,) = ask(captioner, [flat()], [QUESTION])
    return answer


def colour(question: Any, before: int) -> Reply:
    """Says the red of the first pixel, the slower the brighter."""
    red = question.picture.getpixel((0, 0))[0]
    return says(f" {red}\n", after_s=red / 2000)


def test_each_picture_gets_its_own_answer_whatever_comes_first(connect: Callable[..., ChatService]) -> None:
    """What is sent is the picture to the last pixel, the question, greedy decoding, and the length of an answer."""
    reds = [200, 0, 90, 30, 140]
    with served(colour) as double:
        answers = ask(connect(double, max_new_tokens=7), [flat(colour=(red, 0, 0)) for red in reds], [QUESTION] * 5)
        assert answers == [str(red) for red in reds]
        picture = noise(3)
        ask(connect(double), [picture], [QUESTION])
    last = double.asked[-1]
    assert list(last.picture.getdata()) == list(picture.getdata())
    first = double.asked[0].sent
    assert (first["model"], first["temperature"], first["max_tokens"]) == (MODEL, 0, 7)
    assert last.text == QUESTION


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(b"no", 500), "the captioner answered 500: no"),
        (Reply(b"", 429), "the captioner answered 429"),
        (Reply(b"<html>"), "the answer is no Completion: Invalid JSON"),
        (Reply(b'{"choices": [{"mess'), "the answer is no Completion: Invalid JSON"),
        (Reply(b'{"choices": []}'), "the answer is no Completion: it has no choices"),
        (Reply(b'{"error": "busy"}'), "the answer is no Completion: Field required"),
        (says("too late", after_s=0.6), "ReadTimeout"),
    ],
    ids=["500", "429", "html", "cut off", "no choices", "an error", "timeout"],
)
def test_what_may_pass_is_asked_again_and_then_missing(
    connect: Callable[..., ChatService], reply: Reply, reason: str
) -> None:
    def fails(times: int) -> Behaviour:
        return lambda question, before: reply if before < times else says("a cat")

    with served(fails(2)) as double:
        assert one(connect(double, timeout=0.3)) == "a cat"
        assert len(double.asked) == 3
    with served(fails(100)) as double:
        answer = one(connect(double, timeout=0.3))
        assert len(double.asked) == 3
    assert isinstance(answer, Unanswered)
    assert answer.reason.startswith(reason)


@pytest.mark.parametrize("empty", ["", "  \n", None])
def test_an_empty_answer_is_asked_once_more_and_then_missing(
    connect: Callable[..., ChatService], empty: str | None
) -> None:
    with served(lambda question, before: says(empty if before == 0 else "a cat")) as double:
        assert one(connect(double)) == "a cat"
    with served(lambda question, before: says(empty)) as double:
        assert one(connect(double)) == SILENT
        assert len(double.asked) == 2


def test_a_refused_picture_is_missing_and_not_asked_again(connect: Callable[..., ChatService]) -> None:
    def refuses_red(question: Any, before: int) -> Reply:
        return Reply(b"too red", 400) if question.picture.getpixel((0, 0))[0] == 255 else says("a cat")

    with served(refuses_red) as double:
        answers = ask(connect(double), [flat(colour=(255, 0, 0)), flat()], [QUESTION] * 2)
        assert answers == [Unanswered("the captioner answered 400: too red"), "a cat"]
        assert len(double.asked) == 2


@pytest.mark.parametrize("status", [302, 401, 403, 404])
def test_a_refusal_of_everything_ends_the_step(connect: Callable[..., ChatService], status: int) -> None:
    """A redirect too: the token goes to the service that was named, and to no other."""
    with served(lambda question, before: Reply(b"", status, location="http://127.0.0.1:1/")) as double:
        with pytest.raises(BadRequest, match=f"the captioner answered {status}"):
            one(connect(double))
        assert len(double.asked) == 1


def test_a_service_that_went_away_is_not_waited_for_picture_by_picture(connect: Callable[..., ChatService]) -> None:
    """Three attempts for the first picture, one for each of the other nine; all again once it answers."""
    with served(lambda question, before: Reply(b"", 503) if before < 12 else says("a cat")) as double:
        captioner = connect(double, parallel=1)
        assert all(isinstance(a, Unanswered) for a in captioner.answer([flat()] * 10, [QUESTION] * 10))
        assert len(double.asked) == 12
        assert captioner.answer([flat()], [QUESTION]) == ["a cat"]
        assert captioner._attempts == 3


def test_the_token_comes_from_the_environment(
    connect: Callable[..., ChatService], monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(lambda question, before: says("a cat"), token="open sesame") as double:
        with pytest.raises(BadRequest, match=r"answered 401: .* \(is DDPO_CAPTIONER_TOKEN the service's\?\)"):
            connect(double)
        monkeypatch.setenv(TOKEN_VARIABLE, "open\nsesame")
        with pytest.raises(BadRequest, match=f"^{TOKEN_VARIABLE} holds a character that no HTTP header may"):
            connect(double)
        monkeypatch.setenv(TOKEN_VARIABLE, "open sesame\n")
        captioner = connect(double)
        assert one(captioner) == "a cat"
        monkeypatch.setenv(f"{URL_VARIABLE}_B", double.url)
        monkeypatch.setenv(f"{TOKEN_VARIABLE}_B", "another")
        with pytest.raises(BadRequest, match="answered 401"):
            connect(double, service="B")
    assert "sesame" not in str(captioner.identity())


@pytest.mark.parametrize("url", ["", "captioner:8000", "ftp://captioner/v1", "http://me:secret@captioner/v1"])
def test_a_place_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(URL_VARIABLE, url)
    with pytest.raises(BadRequest, match="DDPO_CAPTIONER_URL is no") as refusal:
        ChatService(ChatServiceOptions(kind="http", model=MODEL))
    assert "secret" not in str(refusal.value)


def test_who_is_not_there_at_the_start_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:1/v1")
    with pytest.raises(Unavailable, match=r"the captioner at http://127\.0\.0\.1:1/v1 does not answer: ConnectError"):
        ChatService(ChatServiceOptions(kind="http", model=MODEL, attempts=2, backoff=0))


def test_a_service_without_the_model_is_refused(connect: Callable[..., ChatService]) -> None:
    with served(colour) as double, pytest.raises(BadRequest, match=f"does not serve gpt \\(it serves {MODEL}\\)"):
        connect(double, model="gpt")
    with (
        served(colour, models=Reply(b"{}")) as double,
        pytest.raises(Unavailable, match="the answer is no ServedModels"),
    ):
        connect(double)


def alignment(**captioner: JsonValue) -> Scorer:
    table: dict[str, JsonValue] = {"kind": "http", "model": MODEL, "attempts": 1, **captioner}
    return load_scorers([RewardConfig(name="alignment", options={"form": "text", "captioner": table})])[0]


def test_where_the_service_is_and_how_it_is_asked_are_no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two places, two patiences, one id; another length of answers, or another model behind the name, is another id."""
    ids = []
    root = b'{"data": [{"id": "%s", "root": "/models/tuned"}]}' % MODEL.encode()
    tables: list[dict[str, JsonValue]] = [{}, {"parallel": 2, "timeout": 9.0}, {"max_new_tokens": 9}]
    for number, options in enumerate(tables):
        with served(colour) as double:
            monkeypatch.setenv(f"{URL_VARIABLE}_{number}", double.url)
            ids.append(alignment(service=str(number), **options).id)
    with served(colour, models=Reply(root)) as double:
        monkeypatch.setenv(f"{URL_VARIABLE}_TUNED", double.url)
        ids.append(alignment(service="TUNED").id)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_captions_of_a_service_are_scored_and_its_failures_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A right caption, a wrong one, silence, and a picture that the service chokes on."""
    said = {10: "a cat", 20: "a whale", 30: ""}

    def describe(question: Any, before: int) -> Reply:
        red = question.picture.getpixel((0, 0))[0]
        return says(said[red]) if red in said else Reply(b"out of memory", 500)

    with served(describe) as double:
        monkeypatch.setenv(f"{URL_VARIABLE}_MIXED", double.url)
        pictures = [flat(colour=(red, 0, 0)) for red in (10, 20, 30, 40)]
        right, wrong, silent, failed = alignment(service="MIXED").scores(prompts(4), pictures)
    assert right.parts["caption"] == "a cat"
    assert right.reward is not None
    assert wrong.reward is not None
    assert right.reward > wrong.reward + 0.2
    assert (silent.reward, silent.error) == (None, SILENT.reason)
    assert (failed.reward, failed.error) == (None, "the captioner answered 500: out of memory")


def test_a_step_waits_for_a_service_that_fails_too_often(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One of four is more than 5 %: 75, tried again, and done once the service is well."""
    root, ill = tmp_path.as_uri(), [True]
    commit_shard(root, [noise(i) for i in range(4)])

    def answer(question: Any, before: int) -> Reply:
        return Reply(b"", 500) if ill[0] and before == 2 else says("a cat")

    with served(answer) as double:
        monkeypatch.setenv(f"{URL_VARIABLE}_ILL", double.url)
        options: dict[str, JsonValue] = {"kind": "http", "model": MODEL, "service": "ILL", "attempts": 1}
        scorer = RewardConfig(name="alignment", options={"form": "text", "captioner": options})
        request = scoring_request(root, scorer)
        with pytest.raises(Unavailable, match=r"1 of 4 rewards of alignment are missing.*answered 500"):
            run_request(StepName.SCORING, request)
        ill[0] = False
        assert run_request(StepName.SCORING, request).result["missing"] == 0


def test_a_service_needs_no_torch() -> None:
    """Counting by a service runs in an image without the models' libraries."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'transformers', 'bert_score')))\n"
        "import components.scoring.rewards.counting, components.scoring.rewards.captioners.chat_service"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


@pytest.mark.parametrize(
    "options", [{"kind": "https"}, {"kind": "http", "url": "http://here"}, {"kind": "http", "attempts": 0}]
)
def test_wrong_options_are_named(options: dict[str, JsonValue]) -> None:
    with pytest.raises(BadRequest, match="options of alignment: captioner"):
        load_scorers([RewardConfig(name="alignment", options={"captioner": {"model": MODEL, **options}})])
