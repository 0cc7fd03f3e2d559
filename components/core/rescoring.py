"""Stored pictures scored again with another reward: which there are, and what it came to.

Nothing of the run changes: the new rewards lie below `<run>/rescored/`, no training or evaluation reads them, and they
are committed as every scoring is, so that the same again does no work.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
from collections.abc import Iterable
from typing import Literal

import numpy as np

from components.core import plan, store
from components.core.campaign import Campaign
from components.core.config import Contract, RewardConfig
from components.core.contracts import Request, Result, ScoringResult, canonical_json
from components.core.layout import RunLayout, iteration_name, iteration_number, policy_number
from components.core.records import RewardRow

What = Literal["evaluation", "training", "all"]
"""Pictures of the evaluations (the same noise for every policy), of the iterations, or both."""
TABLE, CSV = "table.json", "table.csv"
FEWEST = 3
"""Pictures below which no rank correlation is given."""


class Row(Contract):
    """One policy's pictures of one split, scored again."""

    group: str
    """`iteration-0007`: pictures that policy 7 drew to be trained on; `policy-0007`, `base`: an evaluation's."""
    policy: int | None
    """Number of the policy that drew them; None for the base and the champion beside a warm start."""
    split: str
    sampler: Literal["trained", "deployed"]
    """`deployed`: drawn by the sampler that ships, eta 0."""
    scorer_id: str
    """Who scored: rows of two ids are not to be compared."""
    pictures: int
    missing: int
    """Pictures without a reward by the new scorer: never counted as 0."""
    mean: float | None
    std: float | None
    own_mean: float | None
    """Mean of the run's own reward over the same pictures."""
    rank_correlation: float | None
    """Spearman's, with the run's own reward, over the pictures that have both. None: too few, or one is constant."""


class RescoredRequest(Request):
    """Put the committed scorings of one scorer into a table."""

    scorer: RewardConfig
    own: str
    """Name of the run's own reward."""
    groups: dict[str, tuple[str, ...]]
    """Group -> its scorings, every shard."""


class RescoredResult(Result):
    """Files: table.json and table.csv, the same rows."""

    scorer: str
    """Its directory below `rescored/`."""
    scorer_ids: tuple[str, ...]
    rows: tuple[Row, ...]


def scorer_name(scorer: RewardConfig) -> str:
    """Directory of a scorer: its name, and a digest over its options.

    Weights and library versions are no part of it, as nobody knows them before the scorer is loaded; each row has the
    whole identity.

    >>> scorer_name(RewardConfig(name="my.module:Colour", options={"weight": 0.3}))
    'my.module-Colour-fa8de5017095'
    """
    digest = hashlib.sha256(canonical_json(scorer.model_dump(mode="json"))).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '-', scorer.name)}-{digest}"


def groups(state: Campaign, what: What, *, every: int = 1) -> list[str]:
    """What has been drawn so far: trained iterations (each n-th, and the last), and evaluations."""
    names: list[str] = []
    if what != "training":
        names += [name for name in store.children(state.run.evaluations) if name != "prompts"]
    if what != "evaluation":
        last = state.next_iteration - 1
        names += [iteration_name(k) for k in range(state.next_iteration) if k % every == 0 or k == last]
    return names


def undrawn(state: Campaign, scorer: RewardConfig, group: str) -> list[str]:
    """Shards of a group whose pictures are not committed."""
    requests = plan.rescoring_requests(state.config, state.run, scorer, scorer_name(scorer), group)
    return [request.sampling for request in requests.values() if store.find(request.sampling) is None]


def commit_table(state: Campaign, scorer: RewardConfig) -> RescoredResult:
    """Put everything that this scorer has scored by now into a table; a table of the same scorings is there already."""
    name = scorer_name(scorer)
    scored = {group: scorings for group in _planned(state.run, name) if (scorings := _whole(state, scorer, group))}
    compared = [prefix for scorings in scored.values() for prefix in scorings if _own_scoring(prefix) is not None]
    digest = hashlib.sha256(canonical_json({"scored": scored, "compared": compared})).hexdigest()
    place = f"{state.run.rescored_tables(name)}/{digest[:16]}"
    request = RescoredRequest(out=place, scorer=scorer, own=state.config.reward.name, groups=scored)
    if (done := store.find(place)) is not None:
        return RescoredResult.model_validate(store.answer_to(request, done).result)
    rows = tuple(row for group, scorings in scored.items() for row in _rows(group, scorings, request.own))
    ids = tuple(sorted({row.scorer_id for row in rows}))
    result = RescoredResult(scorer=name, scorer_ids=ids, rows=rows)
    with store.Attempt(place, step="rescored") as attempt:
        attempt.write(TABLE, json.dumps([row.model_dump(mode="json") for row in rows], indent=1).encode() + b"\n")
        attempt.write(CSV, as_csv(rows).encode())
        return RescoredResult.model_validate(attempt.commit(request, result).result)


def tables(run: RunLayout) -> dict[str, RescoredResult]:
    """The newest table of each scorer that has scored this run again."""
    found = {}
    for scorer in store.children(run.rescored):
        prefix = run.rescored_tables(scorer)
        commits = [c for name in store.children(prefix) if (c := store.find(f"{prefix}/{name}")) is not None]
        if commits:
            newest = max(commits, key=lambda c: (c.manifest.cost.committed_at, c.prefix))
            found[scorer] = RescoredResult.model_validate(newest.manifest.result)
    return found


def as_csv(rows: Iterable[Row]) -> str:
    """The rows with a head, for a spreadsheet; an empty cell is no number."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Row.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.model_dump(mode="json") for row in rows)
    return text.getvalue()


def spearman(one: Iterable[float], other: Iterable[float]) -> float | None:
    """Rank correlation, ties at their mean rank. None for fewer than three pairs, or where one side is constant.

    >>> spearman([1, 2, 3, 4], [1, 4, 9, 16]), spearman([1, 2, 2], [3, 1, 2]), spearman([1, 1, 1], [1, 2, 3])
    (1.0, -0.8660254037844387, None)
    """
    x_N, y_N = _ranks(list(one)), _ranks(list(other))
    if len(x_N) < FEWEST or not x_N.std() or not y_N.std():
        return None
    return float(np.corrcoef(x_N, y_N)[0, 1])


def _ranks(values: list[float]) -> np.ndarray:
    """Rank of each value from 0; equal values share the mean of their ranks."""
    _, place_N, count_U = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    mean_rank_U = np.cumsum(count_U) - (count_U + 1) / 2
    return np.asarray(mean_rank_U[place_N], dtype=np.float64)


def _planned(run: RunLayout, scorer: str) -> list[str]:
    """Groups in order of their policies: evaluations first."""
    names = [name for name in store.children(f"{run.rescored}/{scorer}") if name != "tables"]
    return sorted(names, key=lambda name: (iteration_number(name) is not None, policy_number(name) is not None, name))


def _whole(state: Campaign, scorer: RewardConfig, group: str) -> tuple[str, ...]:
    """Scorings of a group, once all of them are committed; else none."""
    requests = plan.rescoring_requests(state.config, state.run, scorer, scorer_name(scorer), group)
    prefixes = tuple(request.out for request in requests.values())
    return prefixes if all(store.find(prefix) is not None for prefix in prefixes) else ()


def _rows(group: str, scorings: tuple[str, ...], own: str) -> list[Row]:
    """One row a split, sampler and scorer id, in the order in which they were drawn."""
    found: dict[tuple[str, Literal["trained", "deployed"], str], list[tuple[RewardRow, RewardRow | None]]] = {}
    for prefix in scorings:
        commit = store.open_committed(prefix)
        sampling = str(commit.manifest.request["sampling"])
        before = _own_scoring(prefix)
        known = {r.sample_id: r for r in before.rows("rewards.jsonl", RewardRow) if r.scorer == own} if before else {}
        (scorer,) = ScoringResult.model_validate(commit.manifest.result).scorer_ids
        sampler: Literal["trained", "deployed"] = "deployed" if sampling.endswith("/deployed/sampling") else "trained"
        for row in commit.rows("rewards.jsonl", RewardRow):
            if row.scorer == scorer:
                key = (row.split, sampler, row.scorer_id)
                found.setdefault(key, []).append((row, known.get(row.sample_id)))
    return [_row(group, *key, pairs) for key, pairs in found.items()]


def _own_scoring(prefix: str) -> store.Committed | None:
    """The run's own scoring of the pictures of a committed one; None where its reward has not answered yet."""
    sampling = str(store.open_committed(prefix).manifest.request["sampling"])
    return store.find(f"{sampling.removesuffix('/sampling')}/scoring")


def _row(
    group: str,
    split: str,
    sampler: Literal["trained", "deployed"],
    scorer_id: str,
    pairs: list[tuple[RewardRow, RewardRow | None]],
) -> Row:
    new = [row.reward for row, _ in pairs if row.reward is not None]
    own = [before.reward for _, before in pairs if before is not None and before.reward is not None]
    both = [
        (row.reward, before.reward)
        for row, before in pairs
        if before is not None and row.reward is not None and before.reward is not None
    ]
    k = iteration_number(group)
    return Row(
        group=group,
        policy=policy_number(group) if k is None else k,
        split=split,
        sampler=sampler,
        scorer_id=scorer_id,
        pictures=len(pairs),
        missing=len(pairs) - len(new),
        mean=math.fsum(new) / len(new) if new else None,
        std=float(np.std(new)) if new else None,
        own_mean=math.fsum(own) / len(own) if own else None,
        rank_correlation=spearman((a for a, _ in both), (b for _, b in both)),
    )
