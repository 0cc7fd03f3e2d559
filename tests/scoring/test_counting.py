"""Counting: which answers count, in which words; and that each picture is asked about its own animals."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import JsonValue

from components.core.config import RewardConfig
from components.core.errors import BadRequest
from components.core.records import PromptRow
from components.prompts.lists import CountingList, load_list
from components.prompts.wording import compose
from components.scoring.rewards.captioners.chat_service import URL_VARIABLE
from components.scoring.rewards.spoken_numbers import numbers_said
from components.scoring.scorer import Scorer, load_scorers
from tests.scoring.captioners.chat_double import MODEL, Question, Reply, says, served
from tests.scoring.captioners.small_models import llava
from tests.scoring.shards import flat, prompt


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("two", {2}),
        ("There are two cats.", {2}),
        ("2", {2}),
        ("There are 2, or maybe three.", {2, 3}),
        ("TWO!", {2}),
        ("None.", set()),  # no one in it
        ("Someone is often alone.", set()),  # nor a one or a ten here
        ("a twosome of eightball players", set()),
        ("twenty-two", {22}),
        ("twenty two cats", {22}),
        ("There are 22 of them", {22}),
        ("two hundred", {200}),
        ("seventeen", {17}),
        ("three dozen", {36}),
        ("1,200 sheep and 3 dogs", {1200, 3}),
        ("2.5", set()),
        ("the 2nd of them", set()),
        ("two-headed", {2}),
        ("1, 2, 3", {1, 2, 3}),
        ("five\nsix", {5, 6}),
        ("twenty eleven", {20, 11}),
        ("３ cats", {3}),  # full width
        ("", set()),
    ],
)
def test_numbers_are_whole_words_or_digits(text: str, numbers: set[int]) -> None:
    assert numbers_said(text) == numbers


def row(animal: str, count: int, index: int = 0) -> PromptRow:
    wanted = compose(animal, count=count)
    return PromptRow(prompt_id=wanted.id, index=index, text=wanted.text, split="train", animal=animal, count=count)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The reward, asking a service that answers as it is told."""

    def connect(url: str, **options: JsonValue) -> Scorer:
        name = f"N{url.rsplit(':', 1)[1].split('/')[0]}"  # a scorer is made once a process: each test has its own
        monkeypatch.setenv(f"{URL_VARIABLE}_{name}", url)
        table: dict[str, JsonValue] = {"kind": "http", "model": MODEL, "service": name, "attempts": 1}
        return load_scorers([RewardConfig(name="counting", options={"captioner": table, **options})])[0]

    return connect


@pytest.mark.parametrize(
    ("animal", "count", "how_many", "what", "reward"),
    [
        ("cat", 2, "There are two cats in this image.", "The animals are cats.", 1.0),
        ("cat", 2, "2", "Cat", 1.0),
        ("cat", 2, "There are three cats.", "cat", 0.5),
        ("cat", 2, "two", "a dog", 0.5),
        ("cat", 2, "none", "nothing", 0.0),
        ("mouse", 3, "Three mice", "a mouse", 1.0),
        ("mouse", 3, "3", "mice", 1.0),
        ("goose", 4, "four", "Geese.", 1.0),
        ("wolf", 5, "5 wolves", "wolves", 1.0),
        ("sheep", 6, "six sheep", "sheep", 1.0),
        ("fish", 7, "seven", "fishes", 1.0),
        ("octopus", 8, "8", "octopi", 1.0),
        ("fly", 2, "two", "flies", 1.0),
        ("cat", 2, "two", "a caterpillar", 0.5),  # whole words
        ("cat", 2, "twenty-two", "cattle", 0.0),
        ("rat", 2, "2", "a pirate", 0.5),
    ],
)
def test_the_reward_is_the_mean_of_two_matches(
    counting: Any, animal: str, count: int, how_many: str, what: str, reward: float
) -> None:
    with served(lambda question, before: says(how_many if question.text.startswith("How many") else what)) as double:
        (score,) = counting(double.url).scores([row(animal, count)], [flat()])
    assert score.reward == reward
    assert (score.parts["how_many"], score.parts["what"]) == (how_many, what)
    assert score.parts["caption"] == f"{how_many} / {what}"
    assert reward == (score.parts["number_right"] + score.parts["animal_right"]) / 2


def test_each_picture_is_asked_about_its_own_animals(counting: Any) -> None:
    """The paper's two questions, with the right plural; the second does not say what is looked for."""
    rows = [row("mouse", 2), row("sheep", 3), row("fox", 4)]
    with served(lambda question, before: says("two mice, three sheep")) as double:
        scores = counting(double.url).scores(rows, [flat(), flat(), flat()])
    assert sorted(question.text for question in double.asked) == [
        "How many foxes are there in this image?",
        "How many mice are there in this image?",
        "How many sheep are there in this image?",
        *["What animal is in this image?"] * 3,
    ]
    assert [score.reward for score in scores] == [1.0, 1.0, 0.0]


def test_the_questions_are_part_of_the_identity(counting: Any) -> None:
    with served(lambda question, before: says("two")) as double:
        usual, other = counting(double.url), counting(double.url, what="Which animal is this?")
        assert usual.id != other.id
        other.scores([row("cat", 2)], [flat()])
    assert {q.text for q in double.asked} == {"How many cats are there in this image?", "Which animal is this?"}


def _says_two_and_then(second: Reply, question: Question, before: int) -> Reply:
    return says("two") if question.text.startswith("How many") else second


def _reads_red(rows: list[PromptRow], question: Question, before: int) -> Reply:
    """Says the text of the row that the picture's red is the number of."""
    return says(rows[np.asarray(question.picture)[0, 0, 0]].text)


def test_a_question_without_an_answer_makes_the_reward_missing(counting: Any) -> None:
    """The number was right, and still nobody knows about the animal: not 0.5."""
    for second, reason in (
        (says(""), "the captioner said nothing, twice"),
        (Reply(b"", 500), "the captioner answered 500"),
    ):
        with served(partial(_says_two_and_then, second)) as double:
            (score,) = counting(double.url).scores([row("cat", 2)], [flat()])
        assert score.reward is None
        assert str(score.error).startswith(reason)
        assert score.parts == {"how_many": "two"}


def test_a_prompt_without_a_number_or_an_animal_is_missing_and_nobody_is_asked(counting: Any) -> None:
    with served(lambda question, before: says("two")) as double:
        rows = [prompt("cat"), prompt(None), row("cat", 2)]
        plain, teapot, counted = counting(double.url).scores(rows, [flat()] * 3)
    assert plain.error == "'a cat' does not say how many of which animal"
    assert teapot.error == "'a teapot' does not say how many of which animal"
    assert counted.reward == 0.5
    assert len(double.asked) == 2


def test_a_captioner_that_says_the_prompt_is_right_and_one_that_says_another_is_wrong(counting: Any) -> None:
    """For each of the 22 animals of the training list, two to eight of them; the wrong one differs in both."""
    animals = load_list("counting-v1", CountingList).animals
    rows = [row(animal, 2 + i % 7) for i, animal in enumerate(animals)]
    pictures = [flat(colour=(i, 0, 0)) for i in range(len(rows))]
    with served(partial(_reads_red, rows)) as double:
        scorer = counting(double.url)
        right, wrong = (scorer.scores(asked, pictures) for asked in (rows, [*rows[1:], row("pig", 8)]))
    assert [score.reward for score in right] == [1.0] * 22
    assert [score.reward for score in wrong][:-1] == [0.0] * 21
    assert wrong[-1].reward == 0.5  # a pig again, but not one of eight


def test_the_embedded_captioner_cannot_count() -> None:
    with pytest.raises(BadRequest, match="the captioner tiny only says what is going on: it cannot be asked how many"):
        load_scorers([RewardConfig(name="counting", options={"captioner": "tiny"})])
    with pytest.raises(BadRequest, match="options of counting: captioner: missing"):
        load_scorers([RewardConfig(name="counting")])
    table: dict[str, JsonValue] = {"kind": "http", "model": MODEL}
    with pytest.raises(BadRequest, match=r"how_many: .* has no \{plural\}"):
        load_scorers([RewardConfig(name="counting", options={"captioner": table, "how_many": "How many?"})])


def test_llava_counts_in_this_process(tmp_path: Path) -> None:
    """Random weights say something about every picture; what they say is stored, and 0, 0.5 or 1 is the reward."""
    table: dict[str, JsonValue] = {
        "kind": "transformers", "model": str(llava(tmp_path / "llava")), "dtype": "fp32", "max_new_tokens": 8
    }  # fmt: skip
    (scorer,) = load_scorers([RewardConfig(name="counting", options={"captioner": table})])
    scores = scorer.scores([row("mouse", 2), row("sheep", 3)], [flat(), flat(colour=(255, 0, 0))])
    assert {score.reward for score in scores} <= {0.0, 0.5, 1.0}
    assert all(score.parts["how_many"] and score.parts["what"] for score in scores)
    assert json.dumps(scorer.description)
