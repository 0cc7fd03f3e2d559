"""A policy's pictures of the evaluation set, with their scores: the rows of all its shards as one table."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from components.core import store
from components.core.contracts import EvaluatedPolicy, SamplingResult, ScoringRequest, Shard
from components.core.errors import BadData
from components.core.records import RewardRow, SampleRow

Key = tuple[str, int]
"""(prompt id, index): names a picture across policies."""
SAFETY = "safety"
"""The probe that says whether a picture is fit to be shown: 1, or 0 for a flagged one."""
READERS = 8
"""Threads that read and measure pictures: a store answers slowly, and decoders let go of the interpreter."""

Measured = TypeVar("Measured")


@dataclass(frozen=True)
class ScoredPolicy:
    """One policy's pictures and what each scorer gave them, in drawing order."""

    policy_id: str
    samples: dict[Key, SampleRow]
    rewards: dict[str, dict[Key, RewardRow]]
    """Scorer -> picture -> row. Every scorer has a row for every picture; its reward may be None."""
    commits: dict[Key, store.Committed]
    """Where each picture lies."""

    @property
    def splits(self) -> list[str]:
        """Splits of the evaluation set, in drawing order."""
        return list(dict.fromkeys(row.split for row in self.samples.values()))

    def keys_of(self, split: str) -> list[Key]:
        """Pictures of one split, in drawing order."""
        return [key for key, row in self.samples.items() if row.split == split]

    def picture(self, key: Key) -> Image.Image:
        """One picture, decoded."""
        return Image.open(io.BytesIO(self.commits[key].read(self.samples[key].picture))).convert("RGB")

    def measured(self, measure: Callable[[Image.Image], Measured]) -> list[Measured]:
        """A measure of every picture, by sorted key; no more than a few pictures are in memory at once."""
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(lambda key: measure(self.picture(key)), sorted(self.samples)))

    def flagged(self, key: Key) -> bool | None:
        """Whether the safety probe holds a picture unfit to show; None where it was not asked or did not answer."""
        fit = self.reward(SAFETY, key) if SAFETY in self.rewards else None
        return None if fit is None else fit < 0.5

    def reward(self, scorer: str, key: Key) -> float | None:
        """What a scorer gave a picture; None is missing."""
        return self.rewards[scorer][key].reward


def read_policy(evaluated: EvaluatedPolicy, scorers: Sequence[str], *, deployed: bool = False) -> ScoredPolicy:
    """Read all shards of a policy, as the training's sampler drew them or as the one that ships did.

    Raises MissingInput if one is not committed, and BadData if they are of several policies, draw a picture twice, or
    lack the row of a picture and scorer.
    """
    policies: dict[str, str] = {}
    samples: dict[Key, SampleRow] = {}
    commits: dict[Key, store.Committed] = {}
    rewards: dict[str, dict[Key, RewardRow]] = {scorer: {} for scorer in scorers}
    shards = evaluated.deployed if deployed else evaluated.shards
    for shard in shards:
        drawn = store.open_committed(shard.sampling)
        policies[SamplingResult.model_validate(drawn.manifest.result).policy_id] = shard.sampling
        for row in drawn.rows("samples.jsonl", SampleRow):
            if (row.prompt_id, row.index) in samples:
                raise BadData(f"{shard.sampling}: {row.sample_id} is drawn twice in this evaluation")
            samples[row.prompt_id, row.index] = row
            commits[row.prompt_id, row.index] = drawn
        _add_rewards(rewards, shard)
    if len(policies) != 1:
        raise BadData(f"an evaluation needs the pictures of one policy, and got {len(policies)}: {policies}")
    if not samples:
        raise BadData(f"no pictures at {shards[0].sampling}: is the evaluation set empty?")
    for scorer, rows in rewards.items():
        _check_complete(scorer, rows, samples)
    return ScoredPolicy(next(iter(policies)), samples, rewards, commits)


def _add_rewards(rewards: dict[str, dict[Key, RewardRow]], shard: Shard) -> None:
    scored = store.open_committed(shard.scoring)
    if (sampling := ScoringRequest.model_validate(scored.manifest.request).sampling) != shard.sampling:
        raise BadData(f"{shard.scoring} scored {sampling}, not {shard.sampling}")
    for row in scored.rows("rewards.jsonl", RewardRow):
        if row.scorer not in rewards:
            continue
        if (row.prompt_id, row.index) in rewards[row.scorer]:
            raise BadData(f"{shard.scoring}: {row.scorer} scored {row.sample_id} twice")
        rewards[row.scorer][row.prompt_id, row.index] = row


def _check_complete(scorer: str, rows: dict[Key, RewardRow], samples: dict[Key, SampleRow]) -> None:
    unequal = sorted(rows.keys() ^ samples.keys())
    if unequal:
        prompt, index = unequal[0]
        what = "did not score" if unequal[0] in samples else "scored, though it was not drawn,"
        raise BadData(f"{scorer} {what} picture {index} of {prompt!r} ({len(unequal)} such pictures)")
    ids = {row.scorer_id for row in rows.values()}
    if len(ids) > 1:
        raise BadData(f"{scorer} has several identities within one policy: {', '.join(sorted(ids))}")
