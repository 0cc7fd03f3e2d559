"""The check before any update: on the policy that drew the samples, the importance ratio is 1."""

from __future__ import annotations

import torch

from components.core.config import TrainingConfig
from components.core.errors import BadData
from components.policy import ddim
from components.training.evaluator import Evaluator
from components.training.pairs import Pairs
from components.training.ranks import SOLO, Ranks


@torch.no_grad()
def check_ratio(evaluator: Evaluator, config: TrainingConfig, ranks: Ranks = SOLO) -> dict[str, float]:
    """Compare trainer and sampler at all steps of some samples, before any update. Same policy: the ratio is 1.

    It is the most diagnostic check there is: wrong guidance, dtype, scheduler, prompt, adapter or seed all show here.
    """
    total = len(evaluator.experience)
    checked = torch.linspace(0, total - 1, min(config.ratio_check_samples, total)).round().long()
    pairs = Pairs.of(checked, evaluator.schedule.steps)
    nothing = torch.zeros(0, device=evaluator.policy.device)
    deviations, kls = [nothing], [nothing]
    for part in evaluator.held(pairs).split(config.micro_batch):
        mean = evaluator.mean(evaluator.policy.unet, part)
        ratio = torch.exp(evaluator.log_prob(mean, part) - evaluator.old_log_prob(part))
        deviations.append((ratio - 1).abs())
        base_mean = evaluator.mean(evaluator.policy.base_unet, part)
        kls.append(ddim.step_kl(mean, base_mean, evaluator.sigma(part)))
    deviation = torch.cat(deviations)
    outside = (deviation > evaluator.clip_range(config)).float().sum()
    return {
        "ratio_max_deviation": float(ranks.max(torch.cat([deviation, nothing.new_zeros(1)]).max())),
        "ratio_clip_fraction": float(ranks.sum(outside) / len(pairs)),
        "kl_to_base": float(ranks.sum(torch.cat(kls).sum()) / len(checked)),
    }


def require_ratio_one(metrics: dict[str, float], config: TrainingConfig) -> None:
    """Refuse an iteration whose trainer does not agree with its sampler. NaN does not agree either."""
    if not metrics["ratio_max_deviation"] <= config.ratio_tolerance:
        raise BadData(
            f"the importance ratio before any update is off by {metrics['ratio_max_deviation']:.2e}, "
            f"allowed {config.ratio_tolerance:.0e}",
            hint="sampler and trainer differ in guidance, precision, scheduler, prompts or adapter",
        )
