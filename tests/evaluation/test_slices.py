"""The worst prompts and words, by hand."""

from __future__ import annotations

from components.evaluation.slices import worst
from tests.evaluation.scored import scored


def found(candidate: dict, base: dict, kind: str) -> list[tuple[str, str, int, float]]:
    slices = worst(scored({"r": candidate}), scored({"r": base}), ("r",))
    return [(s.name, s.split, s.pairs, round(s.difference, 6)) for s in slices if s.kind == kind]


ZERO = {name: [0, 0, 0, 0] for name in ("a-cat-riding-a-bike", "a-dog-riding-a-bike", "a-cat", "an-owl")}


def test_prompts_come_worst_first_with_their_mean():
    candidate = ZERO | {"a-cat": [-1, -1, 0, 0], "an-owl": [-4, 0, 0, 0], "a-dog-riding-a-bike": [1, 1, 1, 1]}
    assert found(candidate, ZERO, "prompt") == [
        ("an owl", "seen", 4, -1.0),
        ("a cat", "seen", 4, -0.5),
        ("a dog riding a bike", "seen", 4, 1.0),
    ]


def test_a_word_is_the_mean_of_all_pictures_of_its_prompts():
    """`bike` stands in two prompts: (-2 + 0) / 2. `cat` in two: (-2 - 1) / 2. `owl` and `dog` in one each: left out."""
    candidate = ZERO | {"a-cat-riding-a-bike": [-2] * 4, "a-cat": [-1] * 4}
    assert found(candidate, ZERO, "word") == [
        ("cat", "all", 8, -1.5),
        ("bike", "all", 8, -1.0),
        ("riding", "all", 8, -1.0),
    ]


def test_a_missing_reward_is_no_zero_and_a_prompt_with_too_few_pairs_is_left_out():
    """The cat has two pairs of four, below three; the owl's three pairs have the mean (-3 - 3 + 0) / 3."""
    candidate = ZERO | {"a-cat": [-9, -9, None, None], "an-owl": [-3, -3, 0, None]}
    assert found(candidate, ZERO, "prompt") == [("an owl", "seen", 3, -2.0)]


def test_where_prompts_have_two_seeds_two_pairs_are_enough():
    assert found({"a-cat": [-1, -1]}, {"a-cat": [0, 0]}, "prompt") == [("a cat", "seen", 2, -1.0)]


def test_at_most_five_of_a_kind():
    base = {f"a-thing{n}": [0, 0, 0] for n in range(9)}
    candidate = {f"a-thing{n}": [-n, -n, -n] for n in range(9)}
    assert [name for name, *_ in found(candidate, base, "prompt")] == [f"a thing{n}" for n in (8, 7, 6, 5, 4)]


def test_the_base_itself_has_no_worst():
    assert worst(scored({"r": ZERO}), scored({"r": ZERO}), ("r",)) == ()
