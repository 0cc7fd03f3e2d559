"""Whether the stored samples can serve the algorithm: asked before a model is loaded, let alone a GPU is used.

Reads    manifests of the shards and of the parent, and sample rows; no trajectory
"""

from __future__ import annotations

from collections import Counter

from components.core import store
from components.core.config import SamplerConfig
from components.core.contracts import PolicyRef, SamplingRequest, SamplingResult, TrainingRequest
from components.core.errors import BadData, BadRequest
from components.core.policy_files import ADAPTER_FILE, UNET_FILE, policy_file
from components.core.records import SampleRow
from components.policy.load import policy_id

TRAJECTORIES = "trajectories.safetensors"


def require_servable(request: TrainingRequest) -> None:
    """Raises BadRequest for more processes than shards, and for a parent of which something else was trained; BadData
    for samples without latents, of another policy or sampler, or too few of a prompt."""
    processes = request.training.processes
    if processes > len(request.shards):
        raise BadRequest(f"training.processes = {processes} exceeds the {len(request.shards)} shards of the iteration")
    _require_parent_of_the_kind(request)
    parent, shards = parent_id(request.policy), [store.open_committed(shard.sampling) for shard in request.shards]
    for shard in shards:
        if TRAJECTORIES not in {file.path for file in shard.manifest.files}:
            raise BadData(
                f"{shard.prefix} holds no trajectories, and {request.training.algorithm} learns from their latents",
                hint="sample with trajectories = true",
            )
        _require_sampler(shard, request.sampler)
        made_by = SamplingResult.model_validate(shard.manifest.result).policy_id
        if made_by != parent:
            raise BadData(f"{shard.prefix} was drawn by policy {made_by[:12]}, not by {parent[:12]}")
    _require_enough_of_each_prompt(shards, request)


def _require_sampler(shard: store.Committed, wanted: SamplerConfig) -> None:
    """Log-probs of another schedule or guidance are another policy's. The batch may differ: it changes no picture."""
    drawn = shard.asked(SamplingRequest).sampler.model_dump(exclude={"batch"})
    for name, value in wanted.model_dump(exclude={"batch"}).items():
        if drawn[name] != value:
            raise BadData(
                f"{shard.prefix} was drawn with sampler.{name} = {drawn[name]}, and is trained on with {value}"
            )


def _require_parent_of_the_kind(request: TrainingRequest) -> None:
    """An adapter cannot be gone on with as whole weights, nor the other way: moments and mean would be of others."""
    if request.policy.adapter is None:
        return
    trainable = request.training.trainable
    found = policy_file(store.open_committed(request.policy.adapter))
    if found != {"adapter": ADAPTER_FILE, "unet": UNET_FILE}[trainable]:
        raise BadRequest(
            f"{request.policy.adapter} holds {found}, which training.trainable = {trainable!r} cannot go on from",
            hint="start from the base, or train what that run trained",
        )


def parent_id(policy: PolicyRef) -> str:
    """Id of the policy that is trained, as it was committed; loading it checks that it still is."""
    if policy.adapter is None:
        return policy_id(policy.base, b"")
    return str(store.open_committed(policy.adapter).manifest.result.get("policy_id"))


def _require_enough_of_each_prompt(shards: list[store.Committed], request: TrainingRequest) -> None:
    """A top share of fewer pictures than it needs would be another share."""
    least = request.training.least_of_a_prompt
    if request.training.algorithm != "rwr_sparse":
        return  # the others leave out a picture that is alone
    drawn = Counter(row.prompt_id for shard in shards for row in shard.rows("samples.jsonl", SampleRow))
    prompt, fewest = min(drawn.items(), key=lambda item: item[1])
    if fewest < least:
        share = request.training.weighting.top_share
        raise BadData(
            f"rwr_sparse trains on the top {share:.0%} of each prompt's pictures, and {prompt} has {fewest}",
            hint=f"it takes {least} of each prompt: raise prompts.samples_per_prompt",
        )
