"""Cosine distances by hand, and against every pair written out."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from components.evaluation.diversity import between_prompts, within_prompt


def test_within_is_a_mean_over_pairs_and_then_prompts():
    """Three pictures at 0, 90 and 180 degrees: distances 1, 1 and 2, mean 4/3. Two alike: 0. Mean 2/3."""
    fan = np.array([[1.0, 0], [0, 1], [-1, 0]])
    alike = np.array([[0.6, 0.8], [0.6, 0.8]])
    assert within_prompt([fan, alike]) == pytest.approx(2 / 3)


def test_a_prompt_with_one_picture_says_nothing_about_seeds():
    assert within_prompt([np.array([[1.0, 0.0]])]) is None


def test_between_compares_the_prompts_means():
    """Means point at 45 and at 90 degrees: the distance is 1 - cos 45."""
    found = between_prompts([np.array([[1.0, 0], [0, 1]]), np.array([[0.0, 1], [0, 1]])])
    assert found == pytest.approx(1 - np.sqrt(0.5))


def test_length_of_an_embedding_does_not_count():
    random = np.random.default_rng(0)
    prompts = [random.normal(size=(4, 8)) for _ in range(5)]
    longer = [3.0 * prompt for prompt in prompts]
    assert within_prompt(longer) == pytest.approx(within_prompt(prompts))
    assert between_prompts(longer) == pytest.approx(between_prompts(prompts))


def test_both_agree_with_all_pairs_written_out():
    random = np.random.default_rng(1)
    prompts = [random.normal(size=(k, 6)) for k in (2, 3, 4)]
    unit = [prompt / np.linalg.norm(prompt, axis=1)[:, None] for prompt in prompts]

    def distance(a, b):
        return 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    slow = np.mean([np.mean([distance(a, b) for a, b in combinations(prompt, 2)]) for prompt in unit])
    assert within_prompt(prompts) == pytest.approx(slow)
    means = [prompt.mean(axis=0) for prompt in unit]
    assert between_prompts(prompts) == pytest.approx(np.mean([distance(a, b) for a, b in combinations(means, 2)]))


def test_one_prompt_has_no_other():
    assert between_prompts([np.array([[1.0, 0.0]])]) is None
