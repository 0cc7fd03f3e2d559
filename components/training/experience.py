"""What an iteration has to learn from: trajectories, their rewards, and the rewards of earlier iterations.

N samples · T steps · C H W latent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from safetensors.torch import load as load_tensors
from torch import Tensor

from components.core import store
from components.core.contracts import SamplingResult, Shard, TrainingRequest
from components.core.errors import BadData, Unavailable
from components.core.records import RewardRow, SampleRow, too_many_missing


@dataclass
class Experience:
    """Samples of one iteration that have a reward."""

    prompt_ids: list[str]
    texts: list[str]
    rewards: list[float]
    latents_NSCHW: Tensor
    """All S = T+1 states of each trajectory, x_T first, as stored."""
    log_probs_NT: Tensor
    """The sampler's log-probs, fp32."""
    dropped: int
    """Samples left out because their reward is missing."""

    def __len__(self) -> int:
        return len(self.texts)

    def keep(self, kept: Sequence[int]) -> Experience:
        """The same with some samples only; the others count as dropped."""
        return Experience(
            prompt_ids=[self.prompt_ids[i] for i in kept],
            texts=[self.texts[i] for i in kept],
            rewards=[self.rewards[i] for i in kept],
            latents_NSCHW=self.latents_NSCHW[list(kept)],
            log_probs_NT=self.log_probs_NT[list(kept)],
            dropped=self.dropped + len(self) - len(kept),
        )


def load_experience(request: TrainingRequest, policy_id: str) -> Experience:
    """Read every shard of the iteration, join pictures and rewards, and drop what has no reward.

    Raises BadData for samples of another policy or broken shards, Unavailable when too many rewards are missing.
    """
    parts = [_load_shard(shard, request.reward, policy_id) for shard in request.shards]
    samples = [sample for rows, _, _, _ in parts for sample in rows]
    reward_of = {row.sample_id: row.reward for _, rewards, _, _ in parts for row in rewards}
    if len({s.sample_id for s in samples}) != len(samples):
        raise BadData("a sample id occurs twice in this iteration's shards")
    rewards = [reward_of.get(s.sample_id) for s in samples]
    missing = sum(r is None for r in rewards)
    if too_many_missing(missing, len(samples)):
        raise Unavailable(f"{missing} of {len(samples)} rewards are missing", hint="is the scorer up? see its rows")
    kept = [i for i, r in enumerate(rewards) if r is not None]
    return Experience(
        prompt_ids=[samples[i].prompt_id for i in kept],
        texts=[samples[i].text for i in kept],
        rewards=[r for r in rewards if r is not None],
        latents_NSCHW=torch.cat([latents for _, _, latents, _ in parts])[kept],
        log_probs_NT=torch.cat([log_probs for _, _, _, log_probs in parts])[kept],
        dropped=missing,
    )


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


def _load_shard(shard: Shard, reward: str, policy_id: str) -> tuple[list[SampleRow], list[RewardRow], Tensor, Tensor]:
    sampled = store.open_committed(shard.sampling)
    made_by = SamplingResult.model_validate(sampled.manifest.result).policy_id
    if made_by != policy_id:
        raise BadData(f"{shard.sampling} was drawn by policy {made_by[:12]}, not by {policy_id[:12]}")
    source = f"{shard.sampling}/trajectories.safetensors"
    try:
        tensors = load_tensors(sampled.read("trajectories.safetensors"))
        latents, log_probs = tensors["latents"], tensors["log_probs"]
    except (KeyError, ValueError) as error:
        raise BadData(f"{source} holds no trajectories: {error}") from None
    rows = sampled.rows("samples.jsonl", SampleRow)
    if not len(rows) == len(latents) == len(log_probs) or latents.shape[1] != log_probs.shape[1] + 1:
        raise BadData(f"{source}: {len(rows)} rows, latents {tuple(latents.shape)}, log-probs {tuple(log_probs.shape)}")
    return rows, _reward_rows(shard.scoring, reward), latents, log_probs


def _reward_rows(scoring: str, reward: str) -> list[RewardRow]:
    rows = store.open_committed(scoring).rows("rewards.jsonl", RewardRow)
    return [row for row in rows if row.scorer == reward]
