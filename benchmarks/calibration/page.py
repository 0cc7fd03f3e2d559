"""What a table says of itself, in its own JSON and as a page beside it."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, StrictUndefined
from pydantic import JsonValue

from benchmarks.calibration.choosing import MARGINS, NULL_FAIL, NULL_WARN
from benchmarks.calibration.stored_runs import StoredRun
from benchmarks.calibration.trials import Stopped, Trials
from components.core.config import RunConfig
from components.evaluation.limits import Calibration


def summary(config: RunConfig, runs: list[StoredRun], trials: Trials) -> dict[str, JsonValue]:
    """Counts, settings and outcomes that stand in the table."""
    alarmed = {reward: len({number for number, _ in of}) for reward, of in trials.alarms_checking.items()}
    return {
        "sampler": config.sampler.model_dump(mode="json"),
        "template": config.prompts.template,
        "pictures_a_prompt": config.evaluation.seeds,
        "judges": [judge.name for judge in config.evaluation.judges],
        "seed_sets": trials.sets,
        "seed_sets_checked": trials.sets,
        "checked_sets_that_alarmed": {**alarmed},
        "healthy_runs": [
            f"{run.layout.run_id}: {run.reward}, {run.config.iterations} iterations at learning rate "
            f"{run.config.training.learning_rate:g}"
            for run in runs
        ],
        "healthy_fails_left_out": len(trials.healthy_fails),
        "null_warn_sd": NULL_WARN,
        "null_fail_sd": NULL_FAIL,
        "margins": {**MARGINS},
        "collapses": {
            name: {**{reward: list(found) for reward, found in of.items()}} for name, of in trials.collapses.items()
        },
        "collapses_enlarged": {name: [*found] for name, found in trials.enlarged.items()},
        "over_long": [said(stopped) for stopped in trials.stopped],
    }


def said(stopped: Stopped) -> str:
    """A replay in one sentence."""
    judge = (
        "never fell below half" if stopped.judge_halved is None else f"fell below half at policy {stopped.judge_halved}"
    )
    if stopped.failed is None:
        return f"{stopped.run} every {stopped.every}: not stopped; the judge {judge}"
    return (
        f"{stopped.run} every {stopped.every}: stopped at policy {stopped.failed} by {', '.join(stopped.said)}, with "
        f"{stopped.judge_there:.0%} of the judge's base score left; the judge {judge}"
    )


def render(table: Calibration, trials: Trials) -> str:
    """The page, Markdown."""
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["number"] = lambda value: "" if value is None else f"{value:.4g}"
    page = environment.from_string(Path(__file__).with_name("page.md.jinja").read_text())
    return page.render(table=table, trials=trials, made=table.made_from, said=said)
