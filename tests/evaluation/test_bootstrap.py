"""The two-stage bootstrap, against cases worked out by hand, a plain loop, and repeated experiments."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluation import bootstrap
from components.evaluation.bootstrap import interval, mean_over_prompts, resampled_means


def arrays(*prompts: list[float]) -> list[np.ndarray]:
    return [np.array(prompt, dtype=float) for prompt in prompts]


def test_two_prompts_of_one_seed_give_0_half_1_with_chances_1_2_1():
    """Resamples of {0, 1} of size 2 are 00, 01, 10, 11: means 0, 1/2, 1/2, 1."""
    means = resampled_means(arrays([0], [1]), resamples=40_000, seed=1)
    values, counts = np.unique(means, return_counts=True)
    assert values.tolist() == [0, 0.5, 1]
    assert counts / 40_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.01)


def test_its_interval_is_the_ends_at_95_percent_and_the_middle_at_40():
    """The quantiles 2.5 % and 97.5 % fall on 0 and 1; 30 % and 70 % fall on 1/2."""
    wide = interval(arrays([0], [1]), resamples=4000, confidence=0.95, seed=1)
    narrow = interval(arrays([0], [1]), resamples=4000, confidence=0.4, seed=1)
    assert (wide.low, wide.mean, wide.high) == (0, 0.5, 1)
    assert (narrow.low, narrow.mean, narrow.high) == (0.5, 0.5, 0.5)


def test_seeds_are_resampled_within_their_prompt_only():
    """Prompts {0, 0} and {10, 10}: no resample of seeds can move a prompt's mean, so only 0, 5, 10 occur."""
    means = resampled_means(arrays([0, 0], [10, 10]), resamples=5000, seed=3)
    assert set(np.unique(means)) == {0, 5, 10}


def test_one_prompt_still_has_the_spread_of_its_seeds():
    means = resampled_means(arrays([0, 1]), resamples=5000, seed=3)
    assert set(np.unique(means)) == {0, 0.5, 1}


def test_the_variance_is_that_of_the_textbook():
    """Prompts {0, 2} and {4, 10}: means 1 and 7, so between = 9; within = 1 and 9, mean 5.

    Variance of a resampled mean = 9/2 + 5/(2 x 2) = 5.75.
    """
    means = resampled_means(arrays([0, 2], [4, 10]), resamples=60_000, seed=5)
    assert means.var() == pytest.approx(5.75, rel=0.02)
    assert means.mean() == pytest.approx(4, abs=0.03)


def test_every_prompt_counts_the_same_however_many_seeds_it_has():
    """Prompts {0, 0, 0} and {6}: 3, and not the 1.5 of the pictures' mean."""
    values = arrays([0, 0, 0], [6])
    assert mean_over_prompts(values) == 3
    assert set(np.unique(resampled_means(values, resamples=2000, seed=2))) == {0, 3, 6}


def plain_loop(values: list[np.ndarray], resamples: int, seed: int) -> list[float]:
    """The definition, with the standard library's own generator."""
    generator, means = random.Random(seed), []
    for _ in range(resamples):
        prompts = [generator.choice(values) for _ in values]
        means.append(sum(sum(generator.choice(p) for _ in p) / len(p) for p in prompts) / len(prompts))
    return means


def test_a_plain_loop_finds_the_same_quantiles():
    noise = np.random.default_rng(0)
    values = [noise.normal(loc=noise.normal(), size=size) for size in (4, 4, 3, 4, 1, 4, 2, 4, 4, 4)]
    ours = resampled_means(values, resamples=20_000, seed=7)
    theirs = plain_loop(values, resamples=8_000, seed=7)
    points = [0.025, 0.25, 0.5, 0.75, 0.975]
    assert np.quantile(ours, points) == pytest.approx(np.quantile(theirs, points), abs=0.05 * np.std(theirs) + 0.01)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """200 experiments of 20 prompts x 4 seeds around 0: a 90 % interval holds 0 in 90 %, give or take 3 s.e. (6 %)."""
    noise = np.random.default_rng(11)
    held = 0
    for experiment in range(200):
        table = noise.normal(size=(20, 1)) + noise.normal(size=(20, 4))
        found = interval(list(table), resamples=400, confidence=0.9, seed=experiment)
        held += found.low <= 0 <= found.high
    assert 0.84 <= held / 200 <= 0.96


def test_ignoring_that_seeds_share_a_prompt_would_not_cover():
    """The same experiment, 80 pictures taken as independent, holds it far less often: why there are two stages."""
    noise = np.random.default_rng(11)
    held = 0
    for experiment in range(200):
        table = noise.normal(size=(20, 1)) + noise.normal(size=(20, 4))
        pictures = list(table.reshape(80, 1))
        found = interval(pictures, resamples=400, confidence=0.9, seed=experiment)
        held += found.low <= 0 <= found.high
    assert held / 200 < 0.8


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4), min_size=1, max_size=6), st.integers(0, 2**63))
def test_an_interval_always_contains_its_mean(values, seed):
    found = interval(arrays(*values), resamples=100, confidence=0.5, seed=seed)
    assert found.low <= found.mean <= found.high


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    values = arrays([0.3, 1.7], [2.2, 0.1], [4.0, 1.1])
    first = interval(values, resamples=500, confidence=0.95, seed=1)
    assert interval(values, resamples=500, confidence=0.95, seed=1) == first
    assert interval(values, resamples=500, confidence=0.95, seed=2) != first


def test_memory_is_bounded_and_every_resample_is_made(monkeypatch):
    """7 resamples at 2 at once are 2 + 2 + 2 + 1."""
    monkeypatch.setattr(bootstrap, "DRAWS_AT_ONCE", 8)
    assert resampled_means(arrays([0, 1], [2, 3]), resamples=7, seed=0).shape == (7,)


@pytest.mark.parametrize("values", [[], [np.array([])], [np.array([1.0]), np.array([])]])
def test_nothing_has_no_mean(values):
    with pytest.raises(ValueError, match="at least one"):
        interval(values, resamples=100, confidence=0.95, seed=0)
