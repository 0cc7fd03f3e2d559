"""Where the reward goes on and the judges do not."""

from __future__ import annotations

import pytest

from components.core.contracts import EvaluationResult, Interval, ScorerComparison
from components.evaluation.report.turning_point import turning_point


def compared(scorer: str, low: float, mean: float, high: float) -> ScorerComparison:
    """A held-out comparison with the base whose sd is 1, so that difference and gain are one."""
    change = Interval(mean=mean, low=low, high=high)
    return ScorerComparison(
        scorer=scorer,
        split="held_out",
        reference="base",
        prompts=9,
        pairs=36,
        reference_mean=1.0,
        reference_std=1.0,
        candidate_mean=1.0 + mean,
        difference=change,
        gain=change,
        missing=0,
    )


def reports(*evaluations: tuple[float, float] | tuple[float, float, float]) -> list[EvaluationResult]:
    """Evaluations of policies 0, 2, 4, ...: the reward's gain, then the upper end of each judge's difference."""
    return [
        EvaluationResult(
            policy=2 * place,
            policy_id=f"p{place}",
            base_id="b",
            start_id="b",
            kl_to_base=0,
            comparisons=(
                compared("r", gain - 0.1, gain, gain + 0.1),
                *(compared(f"j{n}", high - 0.2, high - 0.1, high) for n, high in enumerate(highs, 1)),
            ),
        )
        for place, (gain, *highs) in enumerate(evaluations)
    ]


def test_it_is_the_first_policy_from_which_on_a_judge_stays_below_the_base():
    found = turning_point(reports((0, 0), (0.5, 0.1), (1.0, -0.1), (1.5, -0.4)), "r", ["j1"])
    assert found is not None
    assert (found.policy, found.judges, found.confirmed) == (4, ("j1",), True)


def test_a_loss_that_is_taken_back_was_none():
    found = turning_point(reports((0, 0), (0.5, -0.1), (1.0, 0.0), (1.5, -0.4)), "r", ["j1"])
    assert found is not None
    assert (found.policy, found.confirmed) == (6, False)


def test_two_judges_that_lose_in_turn_are_no_decline_of_one():
    assert (
        turning_point(reports((0, 0, 0), (0.5, -0.1, 0.1), (1.0, 0.1, -0.1), (2, 0.1, 0.1)), "r", ["j1", "j2"]) is None
    )


def test_a_judge_that_falls_with_the_reward_is_no_turning_point():
    """After policy 2 nothing is gained any more: the run broke, it was not driven too far."""
    assert turning_point(reports((0, 0), (0.5, 0.1), (0.4, -0.1), (0.3, -0.4)), "r", ["j1"]) is None


def test_a_reward_that_rests_for_one_evaluation_still_rises():
    found = turning_point(reports((0, 0), (0.5, 0.1), (0.5, -0.1), (0.9, -0.4)), "r", ["j1"])
    assert found is not None
    assert found.policy == 4


@pytest.mark.parametrize("judges", [[], ["absent"]])
def test_without_a_judge_there_is_none(judges: list[str]):
    assert turning_point(reports((0, 0), (1, -0.5)), "r", judges) is None


def test_the_start_alone_has_none():
    assert turning_point(reports((0, -0.5)), "r", ["j1"]) is None
    assert turning_point([], "r", ["j1"]) is None
