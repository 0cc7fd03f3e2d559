"""Update policy k on its own samples.

Reads    adapter (or UNet) and optimiser state of policy k, every shard of iteration k, rewards of earlier ones
Writes   pytorch_lora_weights.safetensors (or unet.safetensors), optimizer.safetensors: policy k+1; COMMITTED.json last
Needs    a GPU for real models; `training.processes` of them, to train faster

A retried update starts from the same committed inputs, or goes on from a checkpoint of the same request, and ends in
the same policy.
"""

from __future__ import annotations

import torch

from components.core import store
from components.core.contracts import TrainingRequest, TrainingResult
from components.core.errors import BadData
from components.core.seeds import derive_seed
from components.policy.adapter import state_bytes
from components.policy.load import Policy, load_policy, policy_id
from components.training import launch
from components.training.admission import parent_id, require_servable
from components.training.average import AVERAGE_FILE, WeightAverage
from components.training.credit import credit_metrics, with_credit
from components.training.evaluator import Evaluator
from components.training.experience import load_experience
from components.training.objective import make_objective, make_plan
from components.training.optimizer import OPTIMIZER_FILE, load_optimizer, make_optimizer, save_optimizer
from components.training.progress import Checkpoints
from components.training.ranks import SOLO, Ranks, joined, under_torchrun
from components.training.ratio import check_ratio, require_ratio_one
from components.training.spread import evenly
from components.training.trained import Trained, make_trained
from components.training.update import optimise


def run(request: TrainingRequest, out: store.Attempt) -> TrainingResult:
    """Turn one iteration's samples and rewards into the next policy, in one process or in several."""
    require_servable(request)
    processes = request.training.processes
    if under_torchrun():
        with joined(processes) as ranks:
            result, files = train(request, ranks)
        if not ranks.leads:
            raise SystemExit(0)  # rank 0 commits
    elif processes > 1:
        result, files = launch.on_this_machine(train, request)
    else:
        result, files = train(request, SOLO)
    for name, data in files.items():
        out.write(name, data)
    return result


def train(request: TrainingRequest, ranks: Ranks) -> tuple[TrainingResult, dict[str, bytes]]:
    """One rank's training. All ranks end with the same policy; rank 0 has its files."""
    experience = load_experience(request, parent_id(request.policy), ranks)
    experience, credit_N = with_credit(experience, request)  # what cannot be learned from is refused without a model
    credited = credit_metrics(experience, credit_N, policy_gradient=request.training.policy_gradient)
    policy = load_policy(request.policy)
    trained, optimizer, average = _prepare(policy, request)
    checkpoints = Checkpoints(request, trained, optimizer, average, ranks)

    seed = derive_seed("shuffle", request.seed)
    plan = make_plan(credit_N, request.sampler.steps, request.training, seed=seed)
    evaluator = Evaluator(policy, evenly(experience, plan, ranks, policy.device), request.sampler)
    progress = checkpoints.resume()
    if not progress.checked:
        progress.checked = check_ratio(evaluator, request.training, ranks)
        require_ratio_one(progress.checked, request.training)
    objective = make_objective(evaluator, credit_N, request.training, seed=request.seed)
    learned = optimise(
        objective, plan, trained, optimizer, average, request.training, progress, checkpoints, ranks=ranks
    )

    if not all(bool(torch.isfinite(parameter).all()) for parameter in trained.parameters.values()):
        raise BadData("the update left NaN or infinite weights in the policy", hint="lower the learning rate")
    result = TrainingResult(
        policy_id=policy_id(request.policy.base, state_bytes(dict(trained.parameters))),
        parent_id=policy.id,
        iteration=request.iteration,
        metrics={**credited, **progress.checked, **learned, **objective.settings},
        samples=len(experience),
        dropped=experience.dropped,
    )
    ranks.require_one("policies", result.policy_id)
    if not ranks.leads:
        return result, {}
    files = {trained.file: trained.save(), OPTIMIZER_FILE: save_optimizer(optimizer, trained.parameters)}
    return result, files | ({AVERAGE_FILE: average.save()} if average.decay else {})


def _prepare(policy: Policy, request: TrainingRequest) -> tuple[Trained, torch.optim.AdamW, WeightAverage]:
    """What is trained, its optimiser and its mean, gone on from where the parent stopped."""
    trained = make_trained(
        policy, request.training, seed=derive_seed("adapter", request.seed), parent=request.policy.adapter
    )
    if request.training.gradient_checkpointing:
        policy.unet.enable_gradient_checkpointing()
    optimizer = make_optimizer(trained.parameters, request.training)
    average = WeightAverage(trained, request.training.ema_decay)
    if request.policy.adapter is not None and not request.fresh_optimizer:
        source = f"{request.policy.adapter}/{OPTIMIZER_FILE}"
        parent = store.open_committed(request.policy.adapter)
        load_optimizer(optimizer, trained.parameters, parent.read(OPTIMIZER_FILE), source=source)
        if average.decay:
            average.load(parent.read(AVERAGE_FILE), source=f"{request.policy.adapter}/{AVERAGE_FILE}")
    return trained, optimizer, average
