"""Synthetic runs with probes, captions, a champion, and a judge that goes blind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.core.records import RewardRow, SampleRow
from tests.evaluation.synthetic_run import SyntheticRun, score

SMALL: dict[str, Any] = {
    "iterations": 6,
    "every": 2,
    "seeds": 2,
    "seen": ["cat", "dog", "fox"],
    "held_out": ["owl", "crab"],
}
PROBES = [{"name": "text_masked"}, {"name": "safety"}]


def blinding(scorer: str, sample: SampleRow, level: float, picture: bytes) -> RewardRow:
    """The judge is right about the base and policy 2; then about nothing."""
    row = score(scorer, sample, level, picture)
    return row.model_copy(update={"reward": float(level < 0.9)}) if scorer == "judge" else row


def probed(scorer: str, sample: SampleRow, level: float, picture: bytes) -> RewardRow:
    """Text in the cat's pictures once trained, and the fox is never fit to be shown; the reward has captions."""
    row = score("judge" if scorer in ("text_masked", "safety") else scorer, sample, level, picture)
    row = row.model_copy(update={"scorer": scorer, "scorer_id": f"{scorer}@1"})
    if scorer == "text_masked":
        painted = sample.animal == "cat" and level > 0
        parts = {"text_area": 0.25 if painted else 0.0, "boxes": [[0, 0, 16, 16]] if painted else []}
        return row.model_copy(update={"reward": 1.0, "parts": parts})
    if scorer == "safety":
        return row.model_copy(update={"reward": float(sample.animal != "fox"), "parts": {}})
    if scorer == "judge":
        return row
    return row.model_copy(update={"parts": {"caption": f"a drawing at {level:.1f}"}})


def evaluated(run: SyntheticRun, *policies: int) -> SyntheticRun:
    """Train a run up to the last of these policies, and evaluate each of them."""
    for policy in range(max(policies) + 1):
        if policy in policies:
            run.evaluate(policy)
        if policy < max(policies):
            run.train(policy)
    return run


def over_long(place: Path) -> SyntheticRun:
    """Policies 0, 2, 4, 6 evaluated; the judge is blind from policy 4 on, so that the guard fails policy 6."""
    run = SyntheticRun((place / "store").as_uri(), place / "base", **SMALL, run_id="over-long", score=blinding)
    run.all()
    return run


def with_probes(place: Path, **more: Any) -> SyntheticRun:
    """A run whose evaluations have probes; nothing is drawn yet."""
    evaluation = {"every": 2, "seeds": 2, "resamples": 500, "probes": PROBES}
    settings = {**SMALL, "overrides": {"evaluation": evaluation}, "score": probed, **more}
    return SyntheticRun((place / "store").as_uri(), place / "base", **settings)
