"""Pairing: the numbers by hand, and every way in which two pictures are no pair."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from components.core.config import EvaluationConfig
from components.core.errors import BadData
from components.core.records import RewardRow, SampleRow
from components.evaluation import bootstrap
from components.evaluation.paired import check_same_noise, check_same_scorers, compare, pair
from components.evaluation.tables import ScoredPolicy

EVALUATION = EvaluationConfig(resamples=500)


def policy(rewards: dict[str, list[float | None]], *, seed: int = 100, split: str = "seen", scorer_id: str = "r@1"):
    """A policy with the rewards of each prompt's seeds, drawn from seeds `seed`, `seed` + 1, ..."""
    samples, rows = {}, {}
    for prompt, values in rewards.items():
        for index, reward in enumerate(values):
            key = (prompt, index)
            samples[key] = SampleRow(
                prompt_id=prompt, index=index, text=f"a {prompt}", split=split, seed=seed + index, picture_sha256=""
            )
            rows[key] = RewardRow(
                sample_id=samples[key].sample_id,
                prompt_id=prompt,
                index=index,
                split=split,
                scorer="r",
                scorer_id=scorer_id,
                reward=reward,
            )
    return ScoredPolicy("p", samples, {"r": rows}, {})


def compared(candidate: ScoredPolicy, reference: ScoredPolicy):
    pairs = pair(candidate, reference, "r", "seen")
    return compare(pairs, scorer="r", split="seen", reference="base", evaluation=EVALUATION)


def test_means_difference_and_gain_by_hand():
    """Base 1 2 | 3 4, candidate 2 4 | 4 6. Means 2.5 and 4; difference 1.5.

    The base's sample sd is sqrt((2.25 + .25 + .25 + 2.25) / 3) = 1.29099, so the gain is 1.5 / 1.29099 = 1.16190.
    """
    found = compared(policy({"cat": [2, 4], "dog": [4, 6]}), policy({"cat": [1, 2], "dog": [3, 4]}))
    assert (found.reference_mean, found.candidate_mean, found.difference.mean) == (2.5, 4, 1.5)
    assert found.reference_std == pytest.approx(1.290994)
    assert found.gain.mean == pytest.approx(1.161895)
    assert (found.difference.low, found.difference.high) == (1, 2)  # each prompt's differences are {1, 2}
    assert (found.gain.low, found.gain.high) == pytest.approx((0.774597, 1.549193))
    assert (found.prompts, found.pairs, found.missing) == (2, 4, 0)


def test_a_policy_against_itself_has_gained_nothing_for_certain():
    same = policy({"cat": [1, 2], "dog": [3, 4]})
    found = compared(same, same)
    assert (found.gain.low, found.gain.mean, found.gain.high) == (0, 0, 0)


def test_pairing_removes_the_noise_that_both_share():
    """Noise of sd 1 that both policies meet, and a gain of 0.1: paired sure, unpaired not."""
    noise = np.random.default_rng(0).normal(size=(20, 4))
    base = policy({f"p{i}": list(row) for i, row in enumerate(noise)})
    better = policy({f"p{i}": list(row + 0.1) for i, row in enumerate(noise)})
    paired = compared(better, base).difference
    assert paired.low == pytest.approx(0.1)
    assert paired.high == pytest.approx(0.1)
    unpaired = bootstrap.resampled_means(list(noise + 0.1), resamples=500, seed=1) - bootstrap.resampled_means(
        list(noise), resamples=500, seed=2
    )
    assert np.quantile(unpaired, 0.025) < 0  # would not even know the sign


def test_the_order_of_rows_changes_nothing():
    candidate, base = policy({"cat": [2, 4], "dog": [4, 7]}), policy({"cat": [1, 2], "dog": [3, 4]})
    turned = dataclasses.replace(candidate, samples=dict(reversed(candidate.samples.items())))
    turned_base = dataclasses.replace(base, samples=dict(reversed(base.samples.items())))
    assert compared(turned, turned_base) == compared(candidate, base)


def test_a_missing_reward_drops_its_pair_and_is_counted_and_never_0():
    """Cat's second pair is gone on the candidate's side, dog's first on the base's: differences {1} and {2}."""
    found = compared(policy({"cat": [2, None], "dog": [9, 6]}), policy({"cat": [1, 2], "dog": [None, 4]}))
    assert (found.pairs, found.missing) == (2, 2)
    assert found.difference.mean == 1.5
    assert found.candidate_mean - found.reference_mean == pytest.approx(found.difference.mean)


def test_the_unit_does_not_move_with_what_the_candidate_lost():
    """The base's sd is over all of its own scored pictures: 1 2 3 4, though one pair is dropped."""
    base = policy({"cat": [1, 2], "dog": [3, 4]})
    assert compared(policy({"cat": [1, 2], "dog": [3, None]}), base).reference_std == pytest.approx(1.290994)


def test_a_prompt_without_any_pair_is_left_out():
    found = compared(policy({"cat": [None], "dog": [5]}), policy({"cat": [1], "dog": [3]}))
    assert (found.prompts, found.difference.mean) == (1, 2)


def test_without_any_pair_nothing_is_left_to_compare():
    pairs = pair(policy({"cat": [None]}), policy({"cat": [1]}), "r", "seen")
    assert (pairs.candidate, pairs.reference, pairs.missing) == ([], [], 1)


def test_without_spread_there_is_no_gain_but_a_difference():
    """A judge that was right about every base picture: sd 0, a loss of 0.5, and no sd to measure it in."""
    found = compared(policy({"cat": [1, 0], "dog": [1, 0]}), policy({"cat": [1, 1], "dog": [1, 1]}))
    assert found.reference_std == 0
    assert (found.gain.low, found.gain.mean, found.gain.high) == (0, 0, 0)
    assert found.difference.mean == -0.5


def test_rounding_is_no_spread():
    """0.1 thirty times has a computed sd of 1e-17: dividing by it would make any gain astronomic."""
    found = compared(policy({"cat": [0.2] * 30}), policy({"cat": [0.1] * 30}))
    assert found.reference_std == 0


def test_other_seeds_are_refused():
    with pytest.raises(BadData, match="cat-000: seed is 100 for the candidate and 7 for the reference"):
        check_same_noise(policy({"cat": [1]}), policy({"cat": [1]}, seed=7))


def test_other_prompts_are_refused():
    with pytest.raises(BadData, match="picture 1 of 'cat' was drawn by one policy only"):
        check_same_noise(policy({"cat": [1]}), policy({"cat": [1, 2]}))


def test_another_text_under_the_same_id_is_refused():
    candidate = policy({"cat": [1]})
    row = candidate.samples["cat", 0].model_copy(update={"text": "a lynx"})
    with pytest.raises(BadData, match="text is 'a lynx'"):
        check_same_noise(dataclasses.replace(candidate, samples={("cat", 0): row}), policy({"cat": [1]}))


def test_another_split_is_refused():
    with pytest.raises(BadData, match="split is 'seen' for the candidate and 'held_out'"):
        check_same_noise(policy({"cat": [1]}), policy({"cat": [1]}, split="held_out"))


def test_another_scorer_is_refused():
    with pytest.raises(BadData, match=r"r is \{'r@2'\} for the candidate and \{'r@1'\}"):
        check_same_scorers(policy({"cat": [1]}, scorer_id="r@2"), policy({"cat": [1]}))
