"""Make the runs of a comparison on this machine, one after another in one process, each as `ddpo run` makes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from fnmatch import fnmatch
from functools import partial
from typing import TextIO

from components.core import comparison_scores as scores
from components.core import comparison_tuning as tuning
from components.core.comparison import ComparedRun, Comparison, KeepConfig
from components.core.comparison_scores import Whole
from components.core.deployment import Deployment
from components.core.errors import BadRequest, Conflict, MissingInput, Unavailable
from dags.pipeline import comparisons, driver, locks
from dags.pipeline.commands import fail
from dags.pipeline.display import Display, OneOfMany
from dags.pipeline.estimate import duration

HANDED_OVER = f"{driver.HANDED_OVER}|report"
"""The comparison has a page of its own; that of a run costs as long as a small iteration: `ddpo report RUN`."""


def make(opened: Comparison, places: Deployment, *, only: str = "*", tune_only: bool = False) -> list[str]:
    """Make what is not finished: tuning runs, the choice of the rates, the runs themselves.

    Returns the ids of runs that somebody stopped before their budget was spent. A run that another process is at work
    on is left to it. Raises BadRequest where no run is of the pattern, and Unavailable where the rates cannot be
    chosen yet, because others are still tuning.
    """
    if not any(fnmatch(run, only) for run in comparisons.run_ids(opened)):
        raise BadRequest(f"--only {only!r} names none of the runs of {opened.name}", hint="try '*-<reward>-*'")
    stopped = _each(opened, places, opened.tuning_runs(), "tuning", only)
    if opened.config.tunes and tuning.tuned(opened) is None:
        try:
            tuning.commit_tuning(opened)
        except MissingInput as missing:
            if stopped:
                raise
            raise Unavailable(missing.message, hint="once whoever makes them is done, start this again") from None
    rates = tuning.rates(opened)
    if rates is not None and not tune_only:
        stopped += _each(opened, places, opened.runs(rates), "run", only)
    return stopped


def _each(opened: Comparison, places: Deployment, runs: list[ComparedRun], kind: str, only: str) -> list[str]:
    missing = comparisons.wanted(runs, only)
    stopped: list[str] = []
    if not missing:
        return stopped
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
        except Conflict:
            if not locks.held(run.run, places):
                raise
            print(f"{name}: another process is at work on it", flush=True)
            continue
        except KeyboardInterrupt:
            fail("interrupted; what is committed is safe: the same command goes on", 130)
        if (finished := scores.whole(run)) is None:
            stopped.append(run.run.run_id)
            print(f"{name}: stopped before its budget was spent; `ddpo resume {run.run.run_id}`", flush=True)
            continue
        left = (time.monotonic() - began) / number * (len(missing) - number)
        print(_line(name, finished, opened.config.keep, left), flush=True)
    return stopped


def _line(name: str, finished: Whole, keep: KeepConfig, left: float) -> str:
    """What a run came to, and how long the others will take."""
    scored = scores.score(finished, keep)
    left_words = f"; about {duration(left)} left" if left >= 1 else ""
    diverse = "" if scored.best.diversity is None else f", diversity {scored.best.diversity:.0%}"
    at_end = f"at the end {scored.last.held_out:+.2f} sd, {scored.last.kept:.0%}"
    return f"{name}: {scored.score:+.2f} sd, judges keep {scored.best.kept:.0%}{diverse}; {at_end}{left_words}"
