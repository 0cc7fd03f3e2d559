"""Update policy k on its own samples.

Reads    the adapter and optimiser state of policy k, every shard of iteration k, reward rows of earlier iterations
Writes   pytorch_lora_weights.safetensors, optimizer.safetensors: policy k+1; COMMITTED.json last
Needs    a GPU for real models

Nothing else is state: a retried update starts from the same committed inputs and ends in the same policy.
"""

from __future__ import annotations

import numpy as np
import torch

from components.core import store
from components.core.contracts import TrainingRequest, TrainingResult
from components.core.errors import BadData
from components.core.seeds import derive_seed
from components.policy import adapter
from components.policy.load import Policy, load_policy, policy_id
from components.training.advantage import advantages
from components.training.experience import Experience, load_experience, load_history
from components.training.optimizer import OPTIMIZER_FILE, load_optimizer, make_optimizer, save_optimizer
from components.training.update import Evaluator, check_ratio, optimise, require_ratio_one


def run(request: TrainingRequest, out: store.Attempt) -> TrainingResult:
    """Turn one iteration's samples and rewards into the next policy."""
    policy = load_policy(request.policy)
    experience = load_experience(request, policy.id)
    experience, advantage_N = _with_advantages(experience, request)
    parameters, optimizer = _prepare(policy, request)

    evaluator = Evaluator(policy, experience, request.sampler)
    checked = check_ratio(evaluator, request.training)
    require_ratio_one(checked, request.training)
    learned = optimise(evaluator, advantage_N, optimizer, request.training, seed=derive_seed("shuffle", request.seed))

    if not all(bool(torch.isfinite(parameter).all()) for parameter in parameters.values()):
        raise BadData("the update left NaN or infinite weights in the adapter", hint="lower the learning rate")
    out.write(adapter.ADAPTER_FILE, adapter.save_adapter(policy.unet))
    out.write(OPTIMIZER_FILE, save_optimizer(optimizer, parameters))
    return TrainingResult(
        policy_id=policy_id(request.policy.base, adapter.state_bytes(parameters)),
        parent_id=policy.id,
        iteration=request.iteration,
        metrics={**_reward_metrics(experience, advantage_N), **checked, **learned},
        samples=len(experience),
        dropped=experience.dropped,
    )


def _with_advantages(experience: Experience, request: TrainingRequest) -> tuple[Experience, torch.Tensor]:
    """Advantages [N], and the experience without the samples that nothing can be compared with."""
    advantage = advantages(experience.prompt_ids, experience.rewards, load_history(request), request.training.advantage)
    kept = np.flatnonzero(~np.isnan(advantage)).tolist()
    return experience.keep(kept), torch.tensor(advantage[kept], dtype=torch.float32)


def _prepare(policy: Policy, request: TrainingRequest) -> tuple[dict[str, torch.nn.Parameter], torch.optim.AdamW]:
    """The adapter's parameters and their optimiser, gone on from where the parent stopped."""
    if request.policy.adapter is None:
        adapter.add_adapter(policy.unet, request.training.lora, seed=derive_seed("adapter", request.seed))
    parameters = adapter.trainable(policy.unet)
    optimizer = make_optimizer(parameters, request.training)
    if request.policy.adapter is not None and not request.fresh_optimizer:
        source = f"{request.policy.adapter}/{OPTIMIZER_FILE}"
        data = store.open_committed(request.policy.adapter).read(OPTIMIZER_FILE)
        load_optimizer(optimizer, parameters, data, source=source)
    return parameters, optimizer


def _reward_metrics(experience: Experience, advantage_N: torch.Tensor) -> dict[str, float]:
    rewards = np.asarray(experience.rewards, dtype=np.float64)
    return {
        "reward_mean": float(rewards.mean()),
        "reward_std": float(rewards.std()),
        "advantage_mean_abs": float(advantage_N.abs().mean()),
    }
