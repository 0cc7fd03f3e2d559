"""Comparisons of algorithms: the files that describe them, what they cost, and which of their runs are missing.

What both the command line and `ddpo_compare` do; the runs themselves are made as every run is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from components.core import comparison, layout, opening
from components.core import comparison_scores as scores
from components.core import comparison_tuning as tuning
from components.core.campaign import Campaign
from components.core.comparison import Arm, ComparedRun, Comparison, ComparisonConfig
from components.core.comparison_table import Table
from components.core.comparison_tuning import TunedRate
from components.core.config import Override, RunConfig
from components.core.deployment import Deployment
from components.core.errors import BadRequest
from components.core.layout import RunLayout
from dags.pipeline import bundled, presets
from dags.pipeline.estimate import Estimate, duration, estimate, size

MINUS = "\u2212"


PART_OF = "comparison "
"""What stands before a comparison's name in the place of its runs' preset."""


def names() -> list[str]:
    """Names of the comparisons in dags/comparisons."""
    return bundled.names("comparisons")


def path(name: str) -> Path:
    """File of a comparison; a path to a TOML file of one's own is taken as it is."""
    return bundled.path("comparisons", name)


def resolve(name: str, changes: Iterable[Override] = ()) -> tuple[ComparisonConfig, dict[Arm, RunConfig]]:
    """A comparison, and the config of every arm. Raises BadRequest naming the arm and what is wrong with it."""
    config = comparison.read(path(name), changes)
    return config, {arm: _arm(config, arm) for arm in config.arms}


def open_comparison(
    name: str, places: Deployment, changes: Iterable[Override] = (), *, as_name: str | None = None
) -> Comparison:
    """Freeze a comparison in the store, or go on with the one of that name. Its name is the file's, unless told."""
    config, arms = resolve(name, changes)
    return comparison.freeze(places.store, as_name or Path(name).stem, config, arms)


def preview(
    name: str, places: Deployment, changes: Iterable[Override] = (), *, as_name: str | None = None
) -> Comparison:
    """A comparison as it would be opened; nothing is written. Raises BadRequest as opening it would."""
    config, arms = resolve(name, changes)
    return comparison.would_be(places.store, as_name or Path(name).stem, config, arms)


def open_run(comparison: Comparison, run: ComparedRun) -> RunLayout:
    """Open one run of a comparison. A schedule never takes it for a run of its preset."""
    store = run.run.uri.rsplit("/runs/", 1)[0]
    return opening.open_run(store, run.run.run_id, run.config, preset=f"{PART_OF}{comparison.name}")


def run_ids(opened: Comparison) -> list[str]:
    """Ids of all its runs; they do not depend on the rates that are chosen."""
    return [run.run.run_id for run in (*opened.tuning_runs(), *opened.runs(_any_rates(opened)))]


def open_already(name: str, places: Deployment, *, as_name: str | None = None) -> Comparison:
    """A comparison of the store, by its name there or by its file. Raises MissingInput where there is none."""
    return comparison.load(layout.comparison(places.store, as_name or Path(name).stem))


def is_part(state: Campaign) -> bool:
    """Whether a run is one of a comparison: settings that ruin pictures belong to it, and nobody need be told."""
    return (state.start.preset or "").startswith(PART_OF)


def wanted(runs: Iterable[ComparedRun], only: str = "*") -> list[ComparedRun]:
    """Runs whose id matches a pattern and that are not finished."""
    return [run for run in runs if fnmatch(run.run.run_id, only) and scores.whole(run) is None]


def plan_text(opened: Comparison, places: Deployment) -> str:
    """What a comparison costs, for people; nothing is begun."""
    stages = {"tuning": opened.tuning_runs(), "comparison": opened.runs(_any_rates(opened))}
    known: dict[str, Estimate] = {}
    lines = [
        opened.config.title,
        f"judged by the held-out gain of policies that keep {opened.config.keep.judges:.0%} of every judge and "
        f"{opened.config.keep.diversity:.0%} of the diversity within a prompt",
    ]
    total = 0.0
    for stage, runs in stages.items():
        costs = [_estimate(run, places, known) for run in runs]
        if not costs:
            continue
        times = [f"{len(opened.config.algorithms)} algorithms", f"{len(opened.config.rewards)} rewards"]
        if stage == "tuning":
            times.append(f"{max(Counter((run.arm, run.seed) for run in runs).values())} rates")
        times.append(f"{len({run.seed for run in runs})} seeds")
        queries = {run.config.iterations * run.config.samples_per_iteration for run in runs}
        seconds = [cost.seconds for cost in costs]
        time = "no earlier run to measure by"
        if None not in seconds:
            total += sum(second or 0.0 for second in seconds)
            time = f"about {duration(sum(second or 0.0 for second in seconds))}"
        lines += [
            f"{stage}: {len(runs)} runs ({' × '.join(times)})",
            f"  reward queries   {min(queries)} each, {sum(cost.samples for cost in costs)} in all",
            f"  evaluations      {sum(cost.evaluations for cost in costs)}, "
            f"{sum(cost.evaluation_pictures for cost in costs)} pictures",
            f"  in the store     about {size(sum(cost.bytes_in_store for cost in costs))}, and the adapters",
            f"  time             {time}",
        ]
    done = sum(scores.whole(run) is not None for runs in stages.values() for run in runs)
    if total:
        lines.append(f"together about {duration(total)} on one machine, {done} of the runs are finished already")
    return "\n".join(lines)


def as_text(table: Table) -> str:
    """The table for a terminal: a block a reward, the best algorithm first, and the base."""
    kept = ("judges keep", "diversity")
    head = ("", "learning rate", "score (sd)", "seeds", "seen", *kept, "at the end", *kept, "KL, nats")
    blocks = []
    for base in table.bases:
        lines = [(base.reward, *head[1:])]
        for row in table.of(base.reward):
            lines.append(
                (
                    f"  {row.algorithm}",
                    f"{row.learning_rate:g}",
                    _signed(row.score),
                    f"{_signed(row.low)} .. {_signed(row.high)} ({row.seeds})",
                    "" if row.seen is None else _signed(row.seen),
                    f"{row.kept:.0%}",
                    _share(row.diversity),
                    _signed(row.last_gain),
                    f"{row.last_kept:.0%}",
                    _share(row.last_diversity),
                    f"{row.last_kl:,.0f}",
                )
            )
        lines.append(("  base", "", "0", "", "0", "100%", "100%", "0", "100%", "100%", "0"))
        blocks.append(_aligned(lines))
    if table.unfinished:
        blocks.append(f"not finished, and not in it: {', '.join(table.unfinished)}")
    return "\n\n".join(blocks)


def tuning_text(rates: Iterable[TunedRate]) -> str:
    """The table of learning rates; a star for the chosen ones, and where they lie at the edge of what was tried."""
    lines = [("", "rate", "worst score (sd)", "of", "at the end", "judges keep", "diversity", "")]
    shown = None
    for rate in rates:
        arm = f"{rate.algorithm}, {rate.reward}"
        lines.append(
            (
                arm if arm != shown else "",
                f"{rate.learning_rate:g}",
                _signed(rate.score),
                " ".join(map(_signed, rate.scores)),
                _signed(rate.last_gain),
                f"{rate.last_kept:.0%}",
                _share(rate.last_diversity),
                ("*" if rate.chosen else "") + (" (the edge of what was tried)" if rate.at_edge else ""),
            )
        )
        shown = arm
    return _aligned(lines)


def _arm(config: ComparisonConfig, arm: Arm) -> RunConfig:
    try:
        return presets.resolve(config.rewards[arm[1]].preset, comparison.arm_overrides(config, arm))
    except BadRequest as error:
        raise BadRequest(f"{arm[0]} on {arm[1]}: {error.message}", hint=error.hint) from None


def _any_rates(opened: Comparison) -> dict[Arm, float]:
    """A rate for every arm: the chosen one, or before there is one the first."""
    first = {arm: opened.config.algorithms[arm[0]].learning_rates[0] for arm in opened.config.arms}
    return first | dict(tuning.rates(opened) or {})


def _estimate(run: ComparedRun, places: Deployment, known: dict[str, Estimate]) -> Estimate:
    """One estimate serves all runs that differ in rate and seed only."""
    key = f"{'/'.join(run.arm)}/{run.tuning}"
    if key not in known:
        known[key] = estimate(run.config, places)
    return known[key]


def _aligned(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 or i == len(line) - 1 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _signed(value: float) -> str:
    """
    >>> _signed(0.5), _signed(-0.256), _signed(0.0)
    ('+0.50', '−0.26', '0')
    """
    return f"{value:+.2f}".replace("-", MINUS) if value else "0"
