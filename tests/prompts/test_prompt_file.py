"""A user's own prompts: what is read, what is recognised, and one clear line for whatever is wrong."""

from __future__ import annotations

import pytest

from components.core.errors import BadRequest
from components.prompts.held_out import HeldOutPrompts, recognise
from components.prompts.lists import EvaluationSet, load_list
from components.prompts.prompt_file import parse_prompts
from components.prompts.wording import Prompt

TINY = HeldOutPrompts("tiny-v1", load_list("tiny-v1", EvaluationSet))


def test_lines_are_prompts_and_blank_lines_are_none() -> None:
    data = "\ufeffA red  cat\r\n\r\n a tin robot, café\n".encode()
    assert parse_prompts(data, "my/mine.txt") == [
        ("my/mine.txt, line 1", Prompt("A red cat", animal="cat")),
        ("my/mine.txt, line 3", Prompt("a tin robot, café")),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"mine\.txt holds no prompt \(write one prompt a line\)"),
        (b" \n\n", r"mine\.txt holds no prompt"),
        (b"a cat\na caf\xe9\n", r"mine\.txt, line 2: not UTF-8 \(save the file as UTF-8\)"),
        ("a cat\n".encode("utf-16"), r"mine\.txt, line 1: not UTF-8"),
        (b"a cat\na dog\nA  Cat!\n", r"mine\.txt, line 3: 'A Cat!' is the prompt of line 1 again \(id a-cat\)"),
        (b"a cat\x00\n", r"mine\.txt, line 1: .* control character"),
        (b"a cat" * 300, r"mine\.txt, line 1: 1500 characters are more than 1000 \(is it one prompt a line\?\)"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message) as refused:
        parse_prompts(data, "mine.txt")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat riding a bike", ("cat", "riding a bike", None)),
        ("Three Wolves", ("wolf", None, 3)),
        ("8 mice playing chess", ("mouse", "playing chess", 8)),
        ("a cat and a dog", (None, None, None)),
        ("a catfish", (None, None, None)),
        ("a fox reading the book", ("fox", "reading a book", None)),
        ("...", (None, None, None)),
    ],
)
def test_what_a_users_prompt_names(text: str, expected: tuple[str | None, str | None, int | None]) -> None:
    prompt = recognise(text)
    assert (prompt.animal, prompt.activity, prompt.count) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Elephants", "the animal 'elephant'"),
        ("an elephant", "the animal 'elephant'"),
        ("THE ELEPHANT'S DREAM", "the animal 'elephant'"),
        ("five octopi", "the animal 'octopus'"),
        ("three salmons", "the animal 'salmon'"),
        ("a ladybird", "the animal 'ladybug'"),
        ("a herd of moose", "the animal 'moose'"),
        ("a cat flying the kite", "the activity 'flying a kite'"),
        ("A cat: Doing Laundry", "the activity 'doing laundry'"),
    ],
)
def test_a_held_out_name_is_found_after_case_number_and_article(text: str, reason: str) -> None:
    assert TINY.reason(text) == reason


@pytest.mark.parametrize("text", ["a cat", "a crabby cat", "two growls", "an elephantine cow", "a kite", "laundry"])
def test_a_word_that_only_looks_like_it_is_not_held_out(text: str) -> None:
    assert TINY.reason(text) is None


def test_a_held_out_prompt_without_a_held_out_name_is_found_too() -> None:
    """An evaluation set may hold out whole prompts, of animals that training knows."""
    whole = load_list("tiny-v1", EvaluationSet).model_dump()
    whole["held_out"] = {"animals": (), "activities": ()}
    some = HeldOutPrompts("some-v1", EvaluationSet.model_validate(whole))
    assert some.reason("The elephant") == "the prompt 'an elephant'"
    assert some.reason("a grey elephant") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The Umbrellas", "the object 'umbrella'"),
        ("a cat on a sofa", "the object 'couch'"),
        ("a hippopotamus", "the animal 'hippo'"),
        ("a cat taking the exam", "the activity 'taking an exam'"),
        ("a cat in a boathouse", None),
        ("a goldfish", None),
    ],
)
def test_objects_and_the_other_names_of_a_thing_are_found_too(text: str, reason: str | None) -> None:
    real = HeldOutPrompts("animals-v1", load_list("animals-v1", EvaluationSet))
    assert real.reason(text) == reason


def test_an_object_is_no_animal() -> None:
    assert recognise("Two umbrellas") == Prompt("Two umbrellas")
    assert recognise("a rhinoceros by a table") == Prompt("a rhinoceros by a table", animal="rhino")
