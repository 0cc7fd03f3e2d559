"""Sample one shard of trajectories from a policy.

Reads    this shard's prompt rows and the adapter of policy k
Writes   samples.jsonl, pictures/<sample id>.png (lossless), trajectories.safetensors; COMMITTED.json last
Needs    a GPU for real models; the policy is loaded once and the prompts go through in batches of one fixed shape
"""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from components.core import store
from components.core.contracts import SamplingRequest, SamplingResult
from components.core.records import PromptRow
from components.core.seeds import sample_seed
from components.policy.ddim import make_schedule, require_stochastic
from components.policy.load import load_policy
from components.policy.rollout import rollout
from components.sampling.batches import padded_batches, shard_rows
from components.sampling.shard import ShardWriter


def run(request: SamplingRequest, out: store.Attempt) -> SamplingResult:
    """Turn one shard of prompts into pictures and the denoising paths that made them."""
    prompts = store.open_committed(request.prompts).rows("prompts.jsonl", PromptRow)
    wanted = [row for row in prompts if request.seeds is None or row.index < request.seeds]
    mine = shard_rows(wanted, request.shard, request.shards)
    policy = load_policy(request.policy, folded=True)
    if request.trajectories:
        require_stochastic(make_schedule(policy.scheduler, request.sampler))

    shard = ShardWriter(out, trajectories=request.trajectories)
    with tqdm(total=len(mine), desc=f"sampling shard {request.shard}", unit="picture", disable=None) as progress:
        for batch, real in padded_batches(mine, request.sampler.batch):
            seeds = [sample_seed(request.seed, prompt.prompt_id, prompt.index) for prompt in batch]
            drawn = rollout(policy, [p.text for p in batch], seeds, request.sampler, kl_to_base=request.kl_to_base)
            shard.add(batch[:real], seeds[:real], drawn)
            progress.update(real)
    rows = shard.finish()
    kl = [row.kl_to_base for row in rows if row.kl_to_base is not None]
    return SamplingResult(policy_id=policy.id, samples=len(rows), kl_to_base=float(np.mean(kl)) if kl else None)
