"""One iteration's policy-gradient update.

Given the stored trajectories, (sample, step) pairs are independent, so they are batched across steps: the gradient is
the per-step loop's, at a fraction of the calls. N samples · T steps · P pairs · C H W latent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from components.core.config import SamplerConfig, TrainingConfig
from components.core.errors import BadData
from components.policy import ddim
from components.policy.adapter import trainable
from components.policy.load import Policy, predict
from components.training import loss
from components.training.experience import Experience


@dataclass
class Pairs:
    """Some (sample, step) pairs of an experience."""

    sample_P: Tensor
    step_P: Tensor

    @classmethod
    def of(cls, sample_M: Tensor, steps: int) -> Pairs:
        """Every step of some samples."""
        return cls(sample_M.repeat_interleave(steps), torch.arange(steps).repeat(len(sample_M)))

    def split(self, size: int) -> Iterator[Pairs]:
        """Micro-batches, in order."""
        for samples, steps in zip(self.sample_P.split(size), self.step_P.split(size), strict=True):
            yield Pairs(samples, steps)

    def __len__(self) -> int:
        return len(self.sample_P)


class Evaluator:
    """Scores stored actions under a UNet: the trainer's half of the importance ratio."""

    def __init__(self, policy: Policy, experience: Experience, sampler: SamplerConfig) -> None:
        self.policy, self.experience, self.guidance = policy, experience, sampler.guidance_scale
        self.schedule = ddim.make_schedule(policy.scheduler, sampler).to(policy.device)
        ddim.require_stochastic(self.schedule)
        self.prompts_NLD, self.empty_1LD = policy.embed(experience.texts), policy.embed([""])

    def mean(self, unet: UNet2DConditionModel, pairs: Pairs) -> Tensor:
        """Mean of each pair's step, [P, C, H, W]."""
        device = self.policy.device
        step_P = pairs.step_P.to(device)
        states = self.experience.latents_NSCHW[pairs.sample_P, pairs.step_P].to(device).float()
        prompts = self.prompts_NLD[pairs.sample_P.to(device)]
        prediction = predict(unet, states, self.schedule.timesteps_T[step_P], prompts, self.empty_1LD, self.guidance)
        return ddim.step_mean(self.schedule, step_P, states, prediction)

    def log_prob(self, mean_PCHW: Tensor, pairs: Pairs) -> Tensor:
        """Log-prob of the action that was taken, [P]."""
        actions = self.experience.latents_NSCHW[pairs.sample_P, pairs.step_P + 1].to(mean_PCHW.device)
        return ddim.log_prob(actions, mean_PCHW, self.sigma(pairs))

    def old_log_prob(self, pairs: Pairs) -> Tensor:
        """The sampler's log-prob, as stored, [P]."""
        return self.experience.log_probs_NT[pairs.sample_P, pairs.step_P].to(self.policy.device)

    def sigma(self, pairs: Pairs) -> Tensor:
        """Standard deviation of each pair's step, [P]."""
        return self.schedule.sigma_T[pairs.step_P.to(self.policy.device)]


@torch.no_grad()
def check_ratio(evaluator: Evaluator, config: TrainingConfig) -> dict[str, float]:
    """Compare trainer and sampler at all steps of some samples, before any update. Same policy: the ratio is 1.

    It is the most diagnostic check there is: wrong guidance, dtype, scheduler, prompt, adapter or seed all show here.
    """
    total = len(evaluator.experience)
    checked = torch.linspace(0, total - 1, min(config.ratio_check_samples, total)).round().long()
    deviations, kls = [], []
    for pairs in Pairs.of(checked, evaluator.schedule.steps).split(config.micro_batch):
        mean = evaluator.mean(evaluator.policy.unet, pairs)
        ratio = torch.exp(evaluator.log_prob(mean, pairs) - evaluator.old_log_prob(pairs))
        deviations.append((ratio - 1).abs())
        base_mean = evaluator.mean(evaluator.policy.base_unet, pairs)
        kls.append(ddim.step_kl(mean, base_mean, evaluator.sigma(pairs)))
    deviation = torch.cat(deviations)
    return {
        "ratio_max_deviation": float(deviation.max()),
        "ratio_clip_fraction": float((deviation > config.clip_range).float().mean()),
        "kl_to_base": float(torch.cat(kls).sum() / len(checked)),
    }


def require_ratio_one(metrics: dict[str, float], config: TrainingConfig) -> None:
    """Refuse an iteration whose trainer does not agree with its sampler. NaN does not agree either."""
    if not metrics["ratio_max_deviation"] <= config.ratio_tolerance:
        raise BadData(
            f"the importance ratio before any update is off by {metrics['ratio_max_deviation']:.2e}, "
            f"allowed {config.ratio_tolerance:.0e}",
            hint="sampler and trainer differ in guidance, precision, scheduler, prompts or adapter",
        )


def optimise(
    evaluator: Evaluator,
    advantage_N: Tensor,
    optimizer: torch.optim.Optimizer,
    config: TrainingConfig,
    *,
    seed: int,
) -> dict[str, float]:
    """Take the iteration's optimiser updates, each on its own even share of the samples, all steps of each."""
    order = torch.randperm(len(advantage_N), generator=torch.Generator().manual_seed(seed))
    history: list[dict[str, float]] = []
    updates = min(config.updates, len(advantage_N))  # dropped samples may leave fewer than one each
    with tqdm(total=updates, desc="training", unit="update", disable=None) as progress:
        for share in order.tensor_split(updates):
            optimizer.zero_grad(set_to_none=True)
            metrics = accumulate(evaluator, Pairs.of(share, evaluator.schedule.steps), advantage_N, config)
            parameters = list(trainable(evaluator.policy.unet).values())
            norm = float(clip_grad_norm_(parameters, config.max_grad_norm))
            if not norm < float("inf"):  # NaN is not smaller either
                raise BadData(f"the gradient norm is {norm}: the policy has diverged", hint="lower the learning rate")
            optimizer.step()
            history.append({**metrics, "grad_norm": norm})
            progress.update()
    return {name: sum(h[name] for h in history) / len(history) for name in history[0]}


def accumulate(evaluator: Evaluator, pairs: Pairs, advantage_N: Tensor, config: TrainingConfig) -> dict[str, float]:
    """Add the gradient of the mean loss over all pairs, micro-batch by micro-batch. Returns means over the pairs."""
    device = evaluator.policy.device
    totals = torch.zeros(3, device=device)
    for part in pairs.split(config.micro_batch):
        weight = len(part) / len(pairs)
        new = evaluator.log_prob(evaluator.mean(evaluator.policy.unet, part), part)
        old, advantage = evaluator.old_log_prob(part), advantage_N[part.sample_P].to(device)
        if config.algorithm == "ddpo_is":
            part_loss = loss.importance_sampling_loss(new, old, advantage, config.clip_range)
        else:
            part_loss = loss.score_function_loss(new, advantage)
        (part_loss * weight).backward()
        with torch.no_grad():
            clipped, kl = loss.clip_fraction(new, old, config.clip_range), loss.approximate_kl(new, old)
            totals += weight * torch.stack([part_loss, clipped, kl])
    return dict(zip(("loss", "clip_fraction", "approx_kl"), totals.tolist(), strict=True))
