"""Make the runs of a comparison on this machine, one after another in one process, each as `ddpo run` makes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TextIO

from components.core import comparison_scores as scores
from components.core import comparison_tuning as tuning
from components.core.comparison import ComparedRun, Comparison, KeepConfig
from components.core.deployment import Deployment
from components.core.errors import Conflict
from dags.pipeline import comparisons, driver, locks
from dags.pipeline.commands import fail
from dags.pipeline.display import Display, OneOfMany
from dags.pipeline.estimate import duration

HANDED_OVER = f"{driver.HANDED_OVER}|report"
"""The comparison has a page of its own; that of a run costs as long as a small iteration: `ddpo report RUN`."""


def make(opened: Comparison, places: Deployment, *, only: str = "*", tune_only: bool = False) -> None:
    """Make what is not finished: tuning runs, the choice of the rates, the runs themselves.

    A run that another process is at work on is left to it; where the rates depend on one, this raises MissingInput.
    """
    _each(opened, places, opened.tuning_runs(), "tuning", only)
    if opened.config.tunes and tuning.tuned(opened) is None:
        tuning.commit_tuning(opened)
    rates = tuning.rates(opened)
    if rates is not None and not tune_only:
        _each(opened, places, opened.runs(rates), "run", only)


def _each(opened: Comparison, places: Deployment, runs: list[ComparedRun], kind: str, only: str) -> None:
    missing = comparisons.wanted(runs, only)
    if not missing:
        return
    print(
        f"comparison {opened.name}: {len(missing)} of {len(runs)} {kind}s to be made; store {places.store}", flush=True
    )
    began = time.monotonic()
    for number, run in enumerate(missing, start=1):
        name = f"{number}/{len(missing)} {run.run.run_id.removeprefix(f'{opened.name}-')}"
        if locks.held(comparisons.open_run(opened, run), places):
            print(f"{name}: another process is at work on it", flush=True)
            continue
        display: Callable[[TextIO, int], Display] = partial(OneOfMany, name=name)
        try:
            driver.drive(run.run, places, display=display, handed_over=HANDED_OVER)
        except KeyboardInterrupt:
            fail("interrupted; what is committed is safe: the same command goes on", 130)
        print(
            _line(name, run, opened.config.keep, (time.monotonic() - began) / number * (len(missing) - number)),
            flush=True,
        )


def _line(name: str, run: ComparedRun, keep: KeepConfig, left: float) -> str:
    """What a run came to, and how long the others will take."""
    if (finished := scores.whole(run)) is None:
        raise Conflict(f"run {run.run.run_id} ended before its budget was spent", hint="`ddpo resume` it, then go on")
    scored = scores.score(finished, keep)
    left_words = f"; about {duration(left)} left" if left >= 1 else ""
    diverse = "" if scored.best.diversity is None else f", diversity {scored.best.diversity:.0%}"
    at_end = f"at the end {scored.last.held_out:+.2f} sd, {scored.last.kept:.0%}"
    return f"{name}: {scored.score:+.2f} sd, judges keep {scored.best.kept:.0%}{diverse}; {at_end}{left_words}"
