"""A user's own prompts: what is read, what is recognised, and one clear line for whatever is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core import store
from components.core.errors import BadRequest
from components.prompts.held_out import HeldOutPrompts, recognise
from components.prompts.lists import EvaluationSet, load_list
from components.prompts.prompt_file import read_prompt_file
from components.prompts.wording import Prompt

TINY = HeldOutPrompts("tiny-v1", load_list("tiny-v1", EvaluationSet))


def write(directory: Path, data: bytes) -> str:
    path = directory / "mine.txt"
    path.write_bytes(data)
    return str(path)


def test_lines_are_prompts_and_blank_lines_are_none(tmp_path: Path) -> None:
    place = write(tmp_path, "\ufeffA red  cat\r\n\r\n a tin robot, café\n".encode())
    assert read_prompt_file(place) == [
        (f"{place}, line 1", Prompt("A red cat", animal="cat")),
        (f"{place}, line 3", Prompt("a tin robot, café")),
    ]


def test_a_file_may_lie_in_the_store(store_root: str) -> None:
    store.create(f"{store_root}/mine.txt", b"two geese\n")
    ((_, prompt),) = read_prompt_file(f"{store_root}/mine.txt")
    assert prompt == Prompt("two geese", animal="goose", count=2)
    with pytest.raises(BadRequest, match="no prompt file at"):
        read_prompt_file(f"{store_root}/yours.txt")


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
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message) as refused:
        read_prompt_file(write(tmp_path, data))
    assert "\n" not in str(refused.value)


def test_no_file_and_a_directory_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="No such file"):
        read_prompt_file(str(tmp_path / "none.txt"))
    with pytest.raises(BadRequest, match="Is a directory"):
        read_prompt_file(str(tmp_path))


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
