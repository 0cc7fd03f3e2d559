"""One iteration's optimiser updates.

Given the stored trajectories, pairs are independent, so they are batched across steps: the gradient is the per-step
loop's, at a fraction of the calls. What is minimised is an `Objective`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from components.core.config import TrainingConfig
from components.core.errors import BadData
from components.training.average import WeightAverage
from components.training.objective import Objective
from components.training.pairs import Pairs
from components.training.progress import Checkpoints, Progress
from components.training.ranks import SOLO, Ranks
from components.training.trained import Trained


def optimise(
    objective: Objective,
    plan: Sequence[Pairs],
    trained: Trained,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    config: TrainingConfig,
    progress: Progress,
    checkpoints: Checkpoints,
    *,
    ranks: Ranks = SOLO,
) -> dict[str, float]:
    """Take the plan's optimiser updates, from where `progress` stands. Returns their mean metrics."""
    parameters = list(trained.parameters.values())
    quiet = None if ranks.leads else True
    with tqdm(total=len(plan), initial=len(progress.history), desc="training", unit="update", disable=quiet) as bar:
        for pairs in plan[len(progress.history) :]:
            if progress.done == 0:
                optimizer.zero_grad(set_to_none=True)
            metrics = accumulate(
                objective, parameters, pairs, config.micro_batch, progress, checkpoints.within, ranks=ranks
            )
            norm = float(clip_grad_norm_(parameters, config.max_grad_norm))
            if not norm < float("inf"):  # NaN is not smaller either
                raise BadData(f"the gradient norm is {norm}: the policy has diverged", hint="lower the learning rate")
            optimizer.step()
            trained.publish()
            average.update()
            progress.taken({**metrics, "grad_norm": norm})
            checkpoints.between(progress)
            bar.update()
    history = progress.history
    return {name: sum(h[name] for h in history) / len(history) for name in history[0]}


def accumulate(
    objective: Objective,
    parameters: Sequence[nn.Parameter],
    pairs: Pairs,
    micro_batch: int,
    progress: Progress | None = None,
    paused: Callable[[Progress], None] = lambda progress: None,
    *,
    ranks: Ranks = SOLO,
) -> dict[str, float]:
    """Add the parameters' gradient of the mean loss over all pairs, micro-batch by micro-batch. Returns means of pairs.

    Each rank evaluates the pairs that it holds, and all end with the sum. `paused` is called between micro-batches.
    Until the end the gradient is that of the sum over pairs, times the evaluator's scale: what a float16 UNet hands
    back for one pair of thousands would be 0 in most of its numbers (6e-8 is its smallest).
    """
    progress = progress or Progress()
    evaluator = objective.evaluator
    if progress.done == 0:
        progress.totals = torch.zeros(len(objective.metrics))
    progress.totals = progress.totals.to(evaluator.policy.device)
    scale = evaluator.gradient_scale(len(pairs))
    for part in evaluator.held(pairs).after(progress.done).split(micro_batch):
        if progress.done:
            paused(progress)
        weight = len(part) / len(pairs)
        means = objective(part)
        (means[0] * (weight * scale)).backward()
        with torch.no_grad():
            progress.totals += weight * torch.stack(means)
        progress.done += len(part)
    ranks.sum_gradients(parameters)
    if scale != 1:
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad /= scale
    return dict(zip(objective.metrics, ranks.sum(progress.totals).tolist(), strict=True))
