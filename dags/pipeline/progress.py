"""The table of a run: what each iteration earned, for people and for `--json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from components.core import campaign, store
from components.core.campaign import Campaign
from components.core.contracts import EvaluationResult, Level
from components.core.layout import RunLayout
from components.core.records import HELD_OUT

COLUMNS = ("iteration", "queries", "reward", "held-out gain (sd)", "judge", "max |ratio-1|", "seconds", "guard")
WIDTHS = (9, 7, 17, 20, 6, 13, 7, 5)


@dataclass(frozen=True)
class Row:
    """One line: policy k+1 after iteration k, or the start (iteration None)."""

    iteration: int | None
    reward_queries: int
    reward_mean: float | None = None
    reward_std: float | None = None
    gain: tuple[float, float, float] | None = None
    """Held-out gain of the new policy in base standard deviations: mean, low, high. None where not evaluated."""
    judge: float | None = None
    """The first judge's mean on held-out prompts."""
    ratio: float | None = None
    seconds: float | None = None
    verdict: Level | None = None
    """The guard's word on the new policy. None where not evaluated."""

    def cells(self) -> tuple[str, ...]:
        """As text, in the order of COLUMNS."""
        reward = "" if self.reward_mean is None else f"{self.reward_mean:.3f} ± {self.reward_std or 0:.3f}"
        gain = "" if self.gain is None else "{:+.2f} [{:+.2f} {:+.2f}]".format(*self.gain)
        return (
            "start" if self.iteration is None else str(self.iteration),
            str(self.reward_queries),
            reward,
            gain,
            "" if self.judge is None else f"{self.judge:.2f}",
            "" if self.ratio is None else f"{self.ratio:.1e}",
            "" if self.seconds is None else f"{self.seconds:.1f}",
            self.verdict or "",
        )


def rows(state: Campaign, *, since: int | None = None) -> list[Row]:
    """Lines of a run. `since` leaves out the start and earlier iterations."""
    reports = {report.policy: report for report in state.reports}
    levels: dict[int, Level] = {verdict.policy: verdict.level for verdict in state.verdicts}
    lines = [] if since is not None or 0 not in reports else [_start(state, reports[0], levels.get(0))]
    for k, trained in enumerate(state.trained):
        if since is not None and k < since:
            continue
        report = reports.get(k + 1)
        lines.append(
            Row(
                iteration=k,
                reward_queries=(k + 1) * state.config.samples_per_iteration,
                reward_mean=trained.metrics.get("reward_mean"),
                reward_std=trained.metrics.get("reward_std"),
                gain=_gain(state, report),
                judge=_judge(state, report),
                ratio=trained.metrics.get("ratio_max_deviation"),
                seconds=iteration_seconds(state.run, k),
                verdict=levels.get(k + 1),
            )
        )
    return lines


def iteration_seconds(run: RunLayout, k: int) -> float | None:
    """Wall time of iteration k, from its plan to its policy."""
    plan, training = store.find(run.plan(k)), store.find(run.training(k))
    if plan is None or training is None:
        return None
    return (training.manifest.cost.committed_at - plan.manifest.cost.started_at).total_seconds()


def summary(state: Campaign) -> dict[str, object]:
    """A run as JSON."""
    decision = campaign.decide(state)
    return {
        "run": state.run.run_id,
        "uri": state.run.uri,
        "reward": state.config.reward.name,
        "base_id": state.base_id,
        "iterations_done": state.next_iteration,
        "iterations": state.iterations,
        "reward_queries": state.reward_queries,
        "state": decision.action,
        "reason": decision.reason,
        "best_policy": campaign.best_policy(state),
        "verdict": state.verdicts[-1].model_dump(mode="json") if state.verdicts else None,
        "rows": [asdict(row) for row in rows(state)],
    }


def newest_gain(state: Campaign) -> str:
    """The last evaluated policy's held-out gain, as text; empty before there is one."""
    gains = [gain for report in state.reports if report.policy and (gain := _gain(state, report))]
    return "{:+.2f} sd [{:+.2f} {:+.2f}]".format(*gains[-1]) if gains else ""


def _start(state: Campaign, report: EvaluationResult, verdict: Level | None) -> Row:
    comparison = state.held_out(report)
    return Row(
        iteration=None,
        reward_queries=0,
        reward_mean=comparison.reference_mean if comparison else None,
        reward_std=comparison.reference_std if comparison else None,
        gain=_gain(state, report),
        judge=_judge(state, report),
        verdict=verdict,
    )


def _gain(state: Campaign, report: EvaluationResult | None) -> tuple[float, float, float] | None:
    comparison = state.held_out(report) if report else None
    return (comparison.gain.mean, comparison.gain.low, comparison.gain.high) if comparison else None


def _judge(state: Campaign, report: EvaluationResult | None) -> float | None:
    judges = state.config.evaluation.judges
    comparison = report.comparison(judges[0].name, HELD_OUT) if report and judges else None
    return comparison.candidate_mean if comparison else None
