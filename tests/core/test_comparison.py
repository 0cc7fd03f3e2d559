"""What a comparison asks for: equal budgets, ids that repeat, and nothing that ends a run early."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.core import comparison, layout
from components.core.comparison import AlgorithmArm, KeepConfig, RewardArm
from components.core.config import PromptsConfig, RunConfig, StopConfig
from components.core.errors import BadRequest, Conflict, MissingInput
from tests.core.compared import asked, opened


def test_runs_of_other_round_sizes_spend_the_same_queries(file_store: str) -> None:
    """1280 queries are 20 iterations of 64 samples and 5 of 256; five evaluations each, at the same queries."""
    config = asked(reward_queries=1280, evaluations=5, seeds=(0,))
    small = RunConfig(prompts=PromptsConfig(prompts=16, samples_per_prompt=4))
    large = RunConfig(prompts=PromptsConfig(prompts=16, samples_per_prompt=16))
    found = comparison.would_be(file_store, "two", config, {("ddpo_is", "size"): small, ("ddpo_sf", "size"): large})
    lengths = [(run.config.iterations, run.config.evaluation.every) for run in found.runs(found.given_rates())]
    assert lengths == [(20, 4), (5, 1)]


def test_a_budget_that_does_not_divide_is_refused(file_store: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"100 reward queries are not 2 equal parts .* of 32 samples \(128 would be\)"):
        opened(file_store, tmp_path, asked(reward_queries=100))


def test_ids_follow_from_the_comparison(file_store: str, tmp_path: Path) -> None:
    found = opened(file_store, tmp_path, asked(1e-3, 3e-5))
    assert [run.run.run_id for run in found.tuning_runs()] == [
        f"two-{algorithm}-size-lr{rate}-s{seed}"
        for seed in (1000, 1001)
        for algorithm in ("ddpo_is", "ddpo_sf")
        for rate in ("0.001", "3e-05")
    ]
    rates = {("ddpo_is", "size"): 3e-5, ("ddpo_sf", "size"): 1e-3}
    runs = found.runs(rates)
    names = [run.run.run_id for run in runs]
    assert names == ["two-ddpo_is-size-s0", "two-ddpo_sf-size-s0", "two-ddpo_is-size-s1", "two-ddpo_sf-size-s1"]
    assert [(run.config.seed, run.config.training.learning_rate) for run in runs[:3]] == [
        (0, 3e-5),
        (0, 1e-3),
        (1, 3e-5),
    ]
    assert [run.config.seed for run in found.tuning_runs()] == [1000] * 4 + [1001] * 4


def test_nothing_ends_a_run_early_and_nothing_is_registered() -> None:
    config = comparison.compared(RunConfig(stop=StopConfig(target_gain=0.1, reward_queries=10)), "two")
    assert (config.stop, config.guard.on_fail, config.guard.lifetime_queries) == (StopConfig(), "continue", None)
    assert (config.registration.enabled, config.registration.model) == (False, "comparison-two")


def test_without_a_judge_there_is_no_comparison() -> None:
    blind = RunConfig.model_validate({"evaluation": {"judges": ()}})
    with pytest.raises(BadRequest, match=r"needs evaluation\.judges"):
        comparison.compared(blind, "two")


def test_a_gain_that_a_run_was_given_is_none_of_its_own() -> None:
    with pytest.raises(BadRequest, match="starts from the base: start_adapter is another run's gain"):
        comparison.compared(RunConfig(start_adapter="file:///store/runs/other/iterations/0003/training"), "two")


@pytest.mark.parametrize(
    ("other", "key"),
    [
        ({"reward": {"name": "aesthetic"}}, "reward.name"),
        ({"evaluation": {"seeds": 7}}, "evaluation.seeds"),
        ({"sampler": {"eta": 0.5}}, "sampler.eta"),
        ({"prompts": {"train": "animals-v1"}}, "prompts.train"),
    ],
)
def test_all_are_asked_the_same(file_store: str, other: dict[str, object], key: str) -> None:
    """Rounds and batches may differ; the task may not."""
    prompts = {"prompts": 16, "samples_per_prompt": 4}
    arms = {
        ("ddpo_is", "size"): RunConfig.model_validate({"prompts": prompts}),
        ("ddpo_sf", "size"): RunConfig.model_validate({"prompts": prompts} | other),
    }
    with pytest.raises(BadRequest, match=f"ddpo_is and ddpo_sf on size differ in {key}, which belongs to the task"):
        comparison.would_be(file_store, "two", asked(), arms)


def test_what_a_judge_may_lose_is_said_of_judges(file_store: str) -> None:
    run = RunConfig.model_validate({"prompts": {"prompts": 16, "samples_per_prompt": 4}})
    config = asked(keep=KeepConfig(loss_sd={"pick_scor": 0.5}))
    with pytest.raises(BadRequest, match=r"keep\.loss_sd names pick_scor, which is no judge here \(judges: judge\)"):
        comparison.would_be(file_store, "two", config, dict.fromkeys(config.arms, run))


def test_an_algorithm_has_the_last_word_on_its_settings() -> None:
    config = asked(
        overrides=("training.updates=8",),
        rewards={"size": RewardArm(preset="demo", overrides=("training.updates=4",))},
        algorithms={
            "soft": AlgorithmArm(algorithm="ddpo_sf", learning_rates=(1e-3,), overrides=("training.updates=1",))
        },
    )
    assert comparison.arm_overrides(config, ("soft", "size")) == (
        "training.updates=4",
        "training.updates=8",
        'training.algorithm="ddpo_sf"',
        "training.updates=1",
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seeds": (0, 0)}, "seeds: the same one twice"),
        ({"seeds": (1000, 0)}, "tuning.seeds: 1000 is one of the comparison's seeds"),
        ({"tuning": None}, r"several need a section \[tuning\]"),
        ({"algorithms": {"a": AlgorithmArm(learning_rates=(1e-3, 1e-3))}}, "learning_rates: the same one twice"),
        (
            {"algorithms": {"a": AlgorithmArm(learning_rates=(1e-3,)), "b": AlgorithmArm(learning_rates=(1e-3, 1e-4))}},
            "an equal budget needs as many for each algorithm, not a 1, b 2",
        ),
    ],
)
def test_what_would_not_be_fair_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        asked(1e-3, 1e-4, **changes)


def test_a_mistake_in_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('title = "x"\nreward_queries = "many"\n')
    with pytest.raises(BadRequest, match=r"own.toml: reward_queries = 'many'.*; seeds: missing; rewards: missing"):
        comparison.read(file)


def test_an_open_comparison_goes_on_with_what_it_has_frozen(store_root: str, tmp_path: Path) -> None:
    """A preset that changes later changes nothing; other settings are another comparison."""
    first = opened(store_root, tmp_path)
    changed = dict.fromkeys(first.config.arms, RunConfig(seed=7))
    assert comparison.freeze(store_root, "two", first.config, changed) == first == comparison.load(first.uri)
    with pytest.raises(Conflict, match="comparison two exists with other settings"):
        opened(store_root, tmp_path, asked(keep=KeepConfig(judges=0.8)))
    with pytest.raises(MissingInput):
        comparison.load(layout.comparison(store_root, "three"))


def test_the_examples_hold() -> None:
    assert doctest.testmod(comparison).failed == 0
    assert doctest.testmod(layout).failed == 0
