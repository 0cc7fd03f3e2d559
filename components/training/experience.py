"""What an iteration has to learn from: trajectories, their rewards, and the rewards of earlier iterations.

N samples · M of them read here · T steps · C H W latent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from torch import Tensor

from components.core import store
from components.core.contracts import SamplingResult, Shard, TrainingRequest
from components.core.errors import BadData, Unavailable
from components.core.records import RewardRow, SampleRow, too_many_missing
from components.training.ranks import SOLO, Ranks


@dataclass
class Experience:
    """Samples of one iteration that have a reward; and the trajectories of those that this process has read."""

    prompt_ids: list[str]
    texts: list[str]
    rewards: list[float]
    latents_MSCHW: Tensor
    """All S = T+1 states of each trajectory, x_T first, as stored."""
    log_probs_MT: Tensor
    """The sampler's log-probs, fp32."""
    held_M: Tensor
    """Which samples these are, ascending: all of them, where one process trains."""
    dropped: int
    """Samples left out because their reward is missing."""

    def __len__(self) -> int:
        return len(self.texts)

    def rows(self) -> Tensor:
        """Sample -> its row among the trajectories, [N]; -1 where another process has read it."""
        row_N = torch.full((len(self),), -1, dtype=torch.int64)
        row_N[self.held_M] = torch.arange(len(self.held_M))
        return row_N

    def holding(self, held_M: Tensor, latents_MSCHW: Tensor, log_probs_MT: Tensor) -> Experience:
        """The same samples, with the trajectories of others in this process."""
        return replace(self, held_M=held_M, latents_MSCHW=latents_MSCHW, log_probs_MT=log_probs_MT)

    def keep(self, kept: Sequence[int]) -> Experience:
        """The same with some samples only; the others count as dropped."""
        if len(kept) == len(self):
            return self  # trajectories are large: no copy
        row_K = self.rows()[list(kept)]
        held_M = (row_K >= 0).nonzero().flatten()
        return Experience(
            prompt_ids=[self.prompt_ids[i] for i in kept],
            texts=[self.texts[i] for i in kept],
            rewards=[self.rewards[i] for i in kept],
            latents_MSCHW=self.latents_MSCHW[row_K[held_M]],
            log_probs_MT=self.log_probs_MT[row_K[held_M]],
            held_M=held_M,
            dropped=self.dropped + len(self) - len(kept),
        )


def load_experience(request: TrainingRequest, policy_id: str, ranks: Ranks = SOLO) -> Experience:
    """Join pictures and rewards of every shard, read this rank's trajectories, and drop what has no reward.

    Raises BadData for samples of another policy or broken shards, Unavailable when too many rewards are missing.
    """
    shards = [_open_shard(shard, policy_id) for shard in request.shards]
    samples = [sample for shard in shards for sample in shard.rows]
    reward_of = {row.sample_id: row.reward for s in request.shards for row in _reward_rows(s.scoring, request.reward)}
    if len({s.sample_id for s in samples}) != len(samples):
        raise BadData("a sample id occurs twice in this iteration's shards")
    rewards = [reward_of.get(s.sample_id) for s in samples]
    missing = sum(r is None for r in rewards)
    if too_many_missing(missing, len(samples)):
        raise Unavailable(f"{missing} of {len(samples)} rewards are missing", hint="is the scorer up? see its rows")
    mine = [(number, *shard.trajectories()) for number, shard in ranks.mine(shards)]
    first = np.cumsum([0, *(len(shard.rows) for shard in shards)])
    everything = Experience(
        prompt_ids=[s.prompt_id for s in samples],
        texts=[s.text for s in samples],
        rewards=[math.nan if r is None else r for r in rewards],
        latents_MSCHW=torch.cat([latents for _, latents, _ in mine]),
        log_probs_MT=torch.cat([log_probs for _, _, log_probs in mine]),
        held_M=torch.cat([torch.arange(first[number], first[number + 1]) for number, _, _ in mine]),
        dropped=0,
    )
    return everything.keep([i for i, r in enumerate(rewards) if r is not None])


def load_history(request: TrainingRequest) -> list[tuple[str, float]]:
    """(prompt id, reward) of earlier iterations, oldest first. Raises BadData if the scorer changed in between."""
    past: list[tuple[str, float]] = []
    identities = {row.scorer_id for shard in request.shards for row in _reward_rows(shard.scoring, request.reward)}
    for prefix in request.history:
        for row in _reward_rows(prefix, request.reward):
            identities.add(row.scorer_id)
            if row.reward is not None:
                past.append((row.prompt_id, row.reward))
    if len(identities) > 1:
        raise BadData(
            f"{request.reward} has {len(identities)} identities in this run's history: its rewards do not compare",
            hint="a changed scorer, library or setting needs a new run",
        )
    return past


@dataclass
class _OpenShard:
    """A shard's rows; its trajectories are read by the rank that trains on them."""

    committed: store.Committed
    rows: list[SampleRow]

    def trajectories(self) -> tuple[Tensor, Tensor]:
        """Latents [n, S, C, H, W] and log-probs [n, T], as stored."""
        source = f"{self.committed.prefix}/trajectories.safetensors"
        try:
            tensors = load_tensors(self.committed.read("trajectories.safetensors"))
            latents, log_probs = tensors["latents"], tensors["log_probs"]
        except (KeyError, ValueError) as error:
            raise BadData(f"{source} holds no trajectories: {error}") from None
        if not len(self.rows) == len(latents) == len(log_probs) or latents.shape[1] != log_probs.shape[1] + 1:
            shapes = f"latents {tuple(latents.shape)}, log-probs {tuple(log_probs.shape)}"
            raise BadData(f"{source}: {len(self.rows)} rows, {shapes}")
        return latents, log_probs


def _open_shard(shard: Shard, policy_id: str) -> _OpenShard:
    sampled = store.open_committed(shard.sampling)
    made_by = SamplingResult.model_validate(sampled.manifest.result).policy_id
    if made_by != policy_id:
        raise BadData(f"{shard.sampling} was drawn by policy {made_by[:12]}, not by {policy_id[:12]}")
    return _OpenShard(sampled, sampled.rows("samples.jsonl", SampleRow))


def _reward_rows(scoring: str, reward: str) -> list[RewardRow]:
    rows = store.open_committed(scoring).rows("rewards.jsonl", RewardRow)
    return [row for row in rows if row.scorer == reward]
