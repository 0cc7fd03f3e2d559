"""Stored pictures of a run, scored again: what the DAG and the command line both do."""

from __future__ import annotations

from dataclasses import dataclass

from components.core import rescoring, store
from components.core.campaign import Campaign
from components.core.config import RewardConfig
from components.core.errors import BadRequest
from components.core.rescoring import RescoredResult, Row, What
from dags.pipeline import plans

MOST = 1000
"""Shards that one DAG run scores at most: Airflow maps 1024 by default."""
NONE = "-"
NAMES = 2
"""Columns of the table that hold names; the others hold numbers."""


@dataclass(frozen=True)
class Rescoring:
    """What is to be scored, and what cannot be."""

    requests: tuple[str, ...]
    """URIs of committed requests that nobody has answered yet."""
    done: int
    """Shards that are scored already."""
    undrawn: tuple[str, ...]
    """Shards without pictures; their iteration or evaluation is left out."""


def plan(state: Campaign, scorer: RewardConfig, what: What, *, every: int = 1) -> Rescoring:
    """Commit the requests of every iteration or evaluation whose pictures are all there."""
    requests: list[str] = []
    done, undrawn = 0, []
    for group in rescoring.groups(state, what, every=every):
        if lacking := rescoring.undrawn(state, scorer, group):
            undrawn += lacking
            continue
        planned = plans.plan_rescoring(state, scorer, group)
        name = rescoring.scorer_name(scorer)
        for n, request in enumerate(planned.names):
            answered = store.find(state.run.rescored_scoring(name, group, n)) is not None
            done += answered
            requests += [] if answered else [planned.uri(request)]
    if len(requests) > MOST:
        raise BadRequest(
            f"{len(requests)} shards are to be scored, and one DAG run scores at most {MOST}",
            hint=f"take every {-(-len(requests) // MOST)}th iteration: `--every`, or the field Every",
        )
    return Rescoring(tuple(requests), done, tuple(undrawn))


def as_text(table: RescoredResult) -> str:
    """The table for a terminal, and where a warning is due, a line below it."""
    head = ("pictures of", "split", "pictures", "missing", "mean", "sd", "run's reward", "rank corr.")
    lines = [head, *(_cells(row) for row in table.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = ["  ".join(_padded(line, widths)).rstrip() for line in lines]
    if len(table.scorer_ids) > 1:
        text.append(
            f"scored by {len(table.scorer_ids)} scorers of that name: {', '.join(table.scorer_ids)}. Weights or"
        )
        text.append("libraries changed between them, so that their rows are not to be compared")
    return "\n".join(text)


def _padded(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    """Names to the left, numbers to the right."""
    columns = enumerate(zip(cells, widths, strict=True))
    return [cell.ljust(width) if i < NAMES else cell.rjust(width) for i, (cell, width) in columns]


def _cells(row: Row) -> tuple[str, ...]:
    """One line.

    >>> _cells(Row(group="policy-0007", policy=7, split="seen", sampler="deployed", scorer_id="judge@1", pictures=8,
    ...     missing=1, mean=0.5, std=0.25, own_mean=1.0, rank_correlation=None))
    ('policy-0007', 'seen, eta 0', '8', '1', '0.500', '0.250', '1.000', '-')
    """
    split = row.split + (", eta 0" if row.sampler == "deployed" else "")
    numbers = [NONE if x is None else f"{x:.3f}" for x in (row.mean, row.std, row.own_mean)]
    correlation = NONE if row.rank_correlation is None else f"{row.rank_correlation:+.2f}"
    return (row.group, split, str(row.pictures), str(row.missing), *numbers, correlation)
