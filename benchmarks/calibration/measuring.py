"""Numbers of one policy's pictures, kept in a working directory so that choosing limits again costs seconds.

Pictures are not kept. A set of numbers is one `.npz`: rows of samples and rewards as text, statistics as an array.
"""

# N pictures · S statistics

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from components.core.config import RewardConfig
from components.core.records import RewardRow, SampleRow, dump_rows, load_rows
from components.evaluation import statistics
from components.evaluation.bootstrap import Floats
from components.evaluation.tables import ScoredPolicy
from components.scoring.scorer import load_scorers

BATCH = 64
"""Pictures that a scorer sees at once."""


@dataclass(frozen=True)
class Numbers:
    """What an evaluation knows of a policy, without its pictures."""

    policy: ScoredPolicy
    statistics_NS: Floats
    """By sorted key."""
    kl_to_base: float


def measure(
    policy_id: str, samples: Sequence[SampleRow], pictures: Sequence[Image.Image], scorers: Sequence[RewardConfig]
) -> Numbers:
    """Score pictures, one a sample, with today's scorers, and take their statistics."""
    ordered = sorted(zip(samples, pictures, strict=True), key=lambda pair: (pair[0].prompt_id, pair[0].index))
    rewards: list[RewardRow] = []
    for start in range(0, len(ordered), BATCH):
        batch = ordered[start : start + BATCH]
        for scorer in load_scorers(scorers):
            rewards += scorer.rows([sample for sample, _ in batch], [picture for _, picture in batch])
    table_NS = statistics.table([statistics.of_picture(picture) for _, picture in ordered])
    return _numbers(policy_id, [sample for sample, _ in ordered], rewards, table_NS)


def save(numbers: Numbers, path: Path) -> None:
    """Keep the numbers, whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rewards = [row for rows in numbers.policy.rewards.values() for row in rows.values()]
    part = path.with_suffix(".part.npz")
    np.savez_compressed(
        part,
        policy_id=np.array(numbers.policy.policy_id),
        samples=np.frombuffer(dump_rows(numbers.policy.samples.values()), dtype=np.uint8),
        rewards=np.frombuffer(dump_rows(rewards), dtype=np.uint8),
        statistics_NS=numbers.statistics_NS,
    )
    part.replace(path)


def load(path: Path) -> Numbers:
    """Numbers that were kept."""
    with np.load(path) as kept:
        samples = load_rows(kept["samples"].tobytes(), SampleRow, source=str(path))
        rewards = load_rows(kept["rewards"].tobytes(), RewardRow, source=str(path))
        return _numbers(str(kept["policy_id"]), samples, rewards, kept["statistics_NS"])


def _numbers(policy_id: str, samples: list[SampleRow], rewards: list[RewardRow], table_NS: Floats) -> Numbers:
    scored: dict[str, dict[tuple[str, int], RewardRow]] = {}
    for row in rewards:
        scored.setdefault(row.scorer, {})[row.prompt_id, row.index] = row
    kl = [row.kl_to_base for row in samples if row.kl_to_base is not None]
    policy = ScoredPolicy(policy_id, {(row.prompt_id, row.index): row for row in samples}, scored, {})
    return Numbers(policy, table_NS, float(np.mean(kl)) if kl else 0.0)
