"""Weights of pictures, with numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.config import PromptsConfig, RunConfig, TrainingConfig, WeightingConfig
from components.core.errors import BadData
from components.training.weighting import best, effective_samples, exponential, top, weights

PROMPTS = ["cat", "dog", "cat", "dog", "cat"]
rewards = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=40)


@settings(deadline=None, max_examples=50)
@given(rewards, st.floats(0.05, 100), st.sampled_from(["sd", "reward"]))
def test_weights_have_mean_one(values: list[float], temperature: float, unit: str) -> None:
    config = WeightingConfig.model_validate({"temperature": temperature, "unit": unit})
    weight = exponential(["cat"] * len(values), np.array(values), config)
    assert weight.mean() == pytest.approx(1)
    assert (weight >= 0).all()


def test_weights_have_mean_one_within_each_prompt_where_asked() -> None:
    reward = np.array([1.0, 50.0, 2.0, 60.0, 4.0])
    weight = exponential(PROMPTS, reward, WeightingConfig(per_prompt=True))
    cats, dogs = np.array(PROMPTS) == "cat", np.array(PROMPTS) == "dog"
    assert weight[cats].mean() == pytest.approx(1)
    assert weight[dogs].mean() == pytest.approx(1)
    assert exponential(PROMPTS, reward, WeightingConfig())[dogs].mean() > 1.5


def test_a_temperature_in_deviations_knows_no_unit() -> None:
    """Rewards -1 and 1 have deviation 1: weights 2 e^2 / (1 + e^2) and its rest. Kilobytes or bytes are the same."""
    high = 2 * math.exp(2) / (1 + math.exp(2))
    for scale in (1, 1000):
        weight = exponential(["a", "b"], scale * np.array([-1.0, 1.0]) + 7, WeightingConfig())
        assert weight.tolist() == pytest.approx([2 - high, high], rel=1e-5)
    assert exponential(["a", "b"], np.array([-1.0, 1.0]), WeightingConfig(temperature=2)).tolist() == pytest.approx(
        [2 / (1 + math.e), 2 * math.e / (1 + math.e)], rel=1e-5
    )


def test_within_prompts_the_unit_is_the_deviation_within_prompts() -> None:
    """Cats 0, 2 and dogs 100, 102 deviate by 1 from their prompts, and by 50 from one another."""
    weight = exponential(["a", "a", "b", "b"], np.array([0.0, 2.0, 100.0, 102.0]), WeightingConfig(per_prompt=True))
    high = 2 * math.exp(2) / (1 + math.exp(2))
    assert weight.tolist() == pytest.approx([2 - high, high, 2 - high, high], rel=1e-5)


def test_the_papers_temperature_counts_the_reward_itself() -> None:
    """softmax(r / 5): 5 ln 3 apart, one weighs three times the other."""
    paper = WeightingConfig(unit="reward", temperature=5)
    assert exponential(["a", "b"], np.array([0.0, 5 * math.log(3)]), paper).tolist() == pytest.approx([0.5, 1.5])


def test_the_papers_temperature_keeps_few_large_pictures_and_weighs_small_ones_alike() -> None:
    """On kB of 512 px pictures (deviation 30 kB) a handful is left of 10 240; at a deviation of 0.1 kB all are."""
    drawn = np.random.default_rng(0).normal(size=10_240)
    paper = WeightingConfig(unit="reward", temperature=5)
    few, all_ = (effective_samples(exponential(["a"] * 10_240, drawn * kb, paper)) for kb in (30, 0.1))
    assert few < 20
    assert all_ > 0.999 * 10_240


@settings(deadline=None, max_examples=50)
@given(st.floats(-1e6, 1e6), st.integers(2, 30), st.sampled_from(["sd", "reward"]), st.booleans())
def test_equal_rewards_are_equal_weights(value: float, count: int, unit: str, per_prompt: bool) -> None:
    config = WeightingConfig.model_validate({"unit": unit, "per_prompt": per_prompt})
    weight = exponential(["cat"] * count, np.full(count, value), config)
    assert weight == pytest.approx(np.ones(count), rel=1e-3)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_exactly_the_top_share_of_each_prompt_is_kept(drawn: list[tuple[str, int]], share: float) -> None:
    """Also where many rewards are equal: as many as the share, rounded up, and none that is worse than one left out."""
    prompts, values = [p for p, _ in drawn], np.array([float(r) for _, r in drawn])
    weight = top(prompts, values, WeightingConfig(top_share=share))
    assert set(weight) <= {0.0, 1.0}
    for prompt in set(prompts):
        mine = np.array(prompts) == prompt
        kept, left = values[mine & (weight == 1)], values[mine & (weight == 0)]
        assert len(kept) == math.ceil(round(share * mine.sum(), 9))
        assert not len(left) or kept.min() >= left.max()


def test_the_top_tenth_of_thirty_is_three() -> None:
    """0.1 x 30 is 3, whatever binary fractions say."""
    weight = top(["cat"] * 30, np.arange(30.0), WeightingConfig())
    assert np.flatnonzero(weight).tolist() == [27, 28, 29]


def test_raft_takes_the_best_of_each_prompt_and_nobody_alone() -> None:
    weight = best(["cat", "dog", "cat", "owl", "dog"], np.array([3.0, 1.0, 4.0, 9.0, 1.0]))
    assert weight.tolist() == pytest.approx([0, 1, 1, math.nan, 0], nan_ok=True)


def test_what_cannot_be_weighed_is_refused_in_words() -> None:
    raft = TrainingConfig(algorithm="raft")
    with pytest.raises(BadData, match="2 rewards, and no two of them can be compared"):
        weights(["cat", "dog"], [1, 2], raft)
    with pytest.raises(BadData, match="NaN or infinite"):
        weights(["cat", "cat"], [1, math.nan], raft)


@pytest.mark.parametrize(
    ("training", "drawn", "says"),
    [
        (
            {"algorithm": "rwr_sparse"},
            9,
            "top_share = 0.1 needs prompts.samples_per_prompt of at least 10, and it is 9",
        ),
        ({"algorithm": "rwr_sparse", "weighting": {"top_share": 0.3}}, 3, "at least 4, and it is 3"),
        ({"algorithm": "raft"}, 1, "the best picture of each prompt, needs .* at least 2, and it is 1"),
        ({"algorithm": "rwr", "weighting": {"per_prompt": True}}, 1, "weighting.per_prompt needs .* at least 2"),
        ({"advantage": {"kind": "group"}}, 1, 'advantage.kind = "group" needs .* at least 2'),
        (
            {"algorithm": "raft", "updates": 17},
            4,
            "updates = 17 exceeds the 16 samples that raft keeps of an",
        ),
        ({"algorithm": "rwr", "kl_weight": 0.1}, 4, "kl_weight is a term of DDPO's loss, and rwr visits no step"),
        ({"algorithm": "ddpo_sf", "updates": 2}, 4, "on-policy: it takes exactly one update .* set updates = 1"),
    ],
)
def test_a_config_that_its_algorithm_cannot_use_is_refused(training: dict[str, object], drawn: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RunConfig(
            prompts=PromptsConfig(prompts=16, samples_per_prompt=drawn),
            training=TrainingConfig.model_validate({"updates": 1} | training),
        )


def test_enough_is_accepted() -> None:
    for algorithm, drawn in (("rwr_sparse", 10), ("raft", 2), ("rwr", 1), ("ddpo_is", 1)):
        training = TrainingConfig.model_validate({"algorithm": algorithm, "updates": 1})
        config = RunConfig(prompts=PromptsConfig(samples_per_prompt=drawn, shards=1), training=training)
        assert config.training.least_of_a_prompt == drawn
