"""Comparisons whose runs are made up: every training and every report is committed, with gains that the test names."""

from __future__ import annotations

from pathlib import Path

from components.core import comparison, opening, plan
from components.core.comparison import AlgorithmArm, ComparedRun, Comparison, ComparisonConfig, RewardArm, TuningConfig
from components.core.config import PromptsConfig, RewardConfig, RunConfig
from components.core.contracts import EvaluationResult, Interval, ScorerComparison, Signal, TrainingResult
from tests.core.campaigns import base_directory, commit

UNIT = 0.5
"""Standard deviation of the base's reward."""
JUDGED = 0.8
"""The judge's score of the base."""


def asked(*rates: float, **changes: object) -> ComparisonConfig:
    """Two algorithms on one reward, two seeds, 128 queries in two evaluations."""
    arms = {name: AlgorithmArm(learning_rates=rates or (1e-3,)) for name in ("ddpo_is", "ddpo_sf")}
    given: dict[str, object] = {
        "title": "Two of them",
        "reward_queries": 128,
        "evaluations": 2,
        "seeds": (0, 1),
        "rewards": {"size": RewardArm(preset="demo")},
        "algorithms": arms,
        "tuning": TuningConfig(reward_queries=64, evaluations=1, seeds=(1000, 1001)) if len(rates) > 1 else None,
    }
    return ComparisonConfig.model_validate(given | changes)


def opened(store_uri: str, directory: Path, config: ComparisonConfig | None = None, name: str = "two") -> Comparison:
    """The comparison in a store, on a base that is none; 32 samples an iteration."""
    config = config or asked()
    run = RunConfig(
        base=base_directory(directory / "base"),
        prompts=PromptsConfig(prompts=8, samples_per_prompt=4),
        reward=RewardConfig(name="jpeg_incompressibility"),
    )
    return comparison.freeze(store_uri, name, config, dict.fromkeys(config.arms, run))


def finish(run: ComparedRun, *evaluations: tuple[float, float], diversity: float = 1.0) -> None:
    """Make a run: after its start, an evaluation each of (held-out gain in sd, share that the judge keeps).

    From the second on their pictures keep `diversity` of the base's.
    """
    layout = opening.open_run(run.run.store, run.run.run_id, run.config)
    for k in range(run.config.iterations):
        request = plan.iteration_requests(run.config, layout, k)["training"]
        result = TrainingResult(
            policy_id=f"policy-{k + 1}", parent_id=f"policy-{k}", iteration=k, metrics={}, samples=32, dropped=0
        )
        commit("training", request, result, {})
    for number, (gain, kept) in enumerate([(0.0, 1.0), *evaluations]):
        policy = number * run.config.evaluation.every
        request = plan.evaluation_requests(run.config, layout, policy)["evaluation"]
        commit("evaluation", request, report(policy, gain, kept, diversity=diversity if number > 1 else 1.0), {})


def report(
    policy: int, gain: float, kept: float, *, kept_seen: float = 1.0, diversity: float = 1.0, missing: int = 0
) -> EvaluationResult:
    """A report; the seen gain is twice the held-out one."""
    reward, judge = "jpeg_incompressibility", "judge"
    return EvaluationResult(
        policy=policy,
        policy_id=f"policy-{policy}",
        base_id="policy-0",
        start_id="policy-0",
        kl_to_base=float(policy),
        signals=(Signal(name="diversity:within_prompt", value=diversity, unit="share of the base's", reason=""),),
        comparisons=(
            _against_base(reward, "held_out", mean=1.5, gain=gain),
            _against_base(reward, "seen", mean=1.5, gain=2 * gain),
            _against_base(judge, "held_out", mean=JUDGED, gain=JUDGED * (kept - 1) / UNIT, missing=missing),
            _against_base(judge, "seen", mean=JUDGED, gain=JUDGED * (kept_seen - 1) / UNIT),
        ),
    )


def _against_base(scorer: str, split: str, *, mean: float, gain: float, missing: int = 0) -> ScorerComparison:
    difference = gain * UNIT
    return ScorerComparison(
        scorer=scorer, split=split, reference="base", prompts=4, pairs=16 - missing, missing=missing,
        reference_mean=mean, reference_std=UNIT, candidate_mean=mean + difference,
        difference=Interval(mean=difference, low=difference, high=difference),
        gain=Interval(mean=gain, low=gain, high=gain),
    )  # fmt: skip
