"""Draws: every prompt equally often, the same for the same seed, and no two pictures under one name."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.prompts.draw import draw_prompts, epoch_order, evaluation_rows, training_rows
from components.prompts.lists import TrainingList, load_list, spell_out
from components.prompts.wording import Prompt, compose

FORTY_FIVE = spell_out(load_list("simple-animals-v1", TrainingList), "animal")
sizes = st.integers(1, 12)


def prompts(n: int) -> list[Prompt]:
    return [Prompt(f"prompt {i}") for i in range(n)]


@pytest.mark.parametrize("iterations", range(1, 46))
def test_of_45_prompts_drawn_16_at_a_time_none_starves(iterations: int) -> None:
    drawn = Counter({prompt.text: 0 for prompt in FORTY_FIVE})
    for k in range(iterations):
        drawn.update(prompt.text for prompt in draw_prompts(FORTY_FIVE, 0, k, 16))
    assert drawn.total() == 16 * iterations
    assert max(drawn.values()) - min(drawn.values()) <= 1


def test_after_45_iterations_of_16_each_was_drawn_16_times() -> None:
    drawn = Counter(p.text for k in range(45) for p in draw_prompts(FORTY_FIVE, 3, k, 16))
    assert set(drawn.values()) == {16}


@settings(deadline=None)
@given(size=sizes, n=st.integers(1, 30), iterations=st.integers(1, 12), seed=st.integers(0, 2**31 - 1))
def test_two_prompts_never_differ_by_more_than_one_draw(size: int, n: int, iterations: int, seed: int) -> None:
    drawn = Counter({prompt.text: 0 for prompt in prompts(size)})
    for k in range(iterations):
        chosen = draw_prompts(prompts(size), seed, k, n)
        assert len(chosen) == n
        drawn.update(prompt.text for prompt in chosen)
    assert max(drawn.values()) - min(drawn.values()) <= 1


@settings(deadline=None)
@given(size=sizes, n=st.integers(1, 30), k=st.integers(0, 10**5), samples=st.integers(1, 4))
def test_no_two_pictures_of_an_iteration_share_an_id(size: int, n: int, k: int, samples: int) -> None:
    rows = training_rows(draw_prompts(prompts(size), 0, k, n), samples)
    assert len({row.sample_id for row in rows}) == len(rows) == n * samples


@settings(deadline=None)
@given(st.permutations(range(9)), st.integers(0, 20))
def test_a_draw_does_not_depend_on_how_the_list_is_sorted(order: list[int], k: int) -> None:
    shuffled = [prompts(9)[i] for i in order]
    assert draw_prompts(shuffled, 7, k, 4) == draw_prompts(prompts(9), 7, k, 4)


def test_another_seed_and_another_epoch_are_another_order() -> None:
    order = [prompt.text for prompt in epoch_order(FORTY_FIVE, 0, 0)]
    assert sorted(order) == sorted(prompt.text for prompt in FORTY_FIVE)
    assert order != [prompt.text for prompt in epoch_order(FORTY_FIVE, 1, 0)]
    assert order != [prompt.text for prompt in epoch_order(FORTY_FIVE, 0, 1)]


def test_iterations_walk_through_the_epochs_one_after_the_other() -> None:
    """Seven prompts, three at a time: iteration 2 takes the last of epoch 0 and the first two of epoch 1."""
    first, second = (epoch_order(prompts(7), 5, epoch) for epoch in (0, 1))
    walked = first + second
    assert draw_prompts(prompts(7), 5, 0, 3) == walked[0:3]
    assert draw_prompts(prompts(7), 5, 2, 3) == [first[6], second[0], second[1]]
    assert draw_prompts(prompts(7), 5, 0, 14) == walked


def test_draws_do_not_drift() -> None:
    """A run in flight goes on with the order it began with: make a change knowingly."""
    assert [p.text for p in draw_prompts(FORTY_FIVE, 0, 0, 4)] == ["a turtle", "a frog", "a tiger", "a rabbit"]


def test_rows_of_a_prompt_that_comes_twice() -> None:
    """Cat, dog, cat, two pictures each: the second cat goes on with index 2."""
    rows = training_rows([compose("cat"), compose("dog", "riding a bike"), compose("cat")], 2)
    assert [row.sample_id for row in rows] == [
        "a-cat-000",
        "a-cat-001",
        "a-dog-riding-a-bike-000",
        "a-dog-riding-a-bike-001",
        "a-cat-002",
        "a-cat-003",
    ]
    assert {row.split for row in rows} == {"train"}
    assert (rows[2].animal, rows[2].activity, rows[2].count) == ("dog", "riding a bike", None)


def test_rows_of_an_evaluation() -> None:
    rows = evaluation_rows([("seen", compose("ant")), ("held_out", compose("owl", count=3))], 2)
    assert [(row.text, row.index, row.split, row.count) for row in rows] == [
        ("an ant", 0, "seen", None),
        ("an ant", 1, "seen", None),
        ("three owls", 0, "held_out", 3),
        ("three owls", 1, "held_out", 3),
    ]
