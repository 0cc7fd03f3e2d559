"""One iteration's policy-gradient update.

Given the stored trajectories, (sample, step) pairs are independent, so they are batched across steps: the gradient is
the per-step loop's, at a fraction of the calls. N samples · T steps · P pairs · C H W latent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from components.core.config import SamplerConfig, TrainingConfig
from components.core.errors import BadData, BadRequest
from components.policy import ddim
from components.policy.adapter import trainable
from components.policy.load import Policy, predict
from components.training import loss
from components.training.average import AdapterAverage
from components.training.experience import Experience
from components.training.pairs import Pairs
from components.training.progress import Checkpoints, Progress
from components.training.ranks import SOLO, Ranks

REFERENCE_LATENT = 16_384
"""Numbers in Stable Diffusion's latent, 4 · 64 · 64: what the paper's clip range goes with."""


class Evaluator:
    """Scores stored actions under a UNet: the trainer's half of the importance ratio."""

    def __init__(self, policy: Policy, experience: Experience, sampler: SamplerConfig) -> None:
        self.policy, self.experience, self.guidance = policy, experience, sampler.guidance_scale
        self.schedule = ddim.make_schedule(policy.scheduler, sampler).to(policy.device)
        ddim.require_stochastic(self.schedule)
        self.prompts_NLD, self.empty_1LD = policy.embed(experience.texts), policy.embed([""])
        self.row_N = experience.rows()

    def held(self, pairs: Pairs) -> Pairs:
        """Those whose trajectories this process has read: only they can be evaluated here."""
        return pairs.where(self.row_N[pairs.sample_P] >= 0)

    def mean(self, unet: UNet2DConditionModel, pairs: Pairs) -> Tensor:
        """Mean of each pair's step, [P, C, H, W]."""
        device = self.policy.device
        step_P = pairs.step_P.to(device)
        states = self.experience.latents_MSCHW[self.row_N[pairs.sample_P], pairs.step_P].to(device).float()
        prompts = self.prompts_NLD[pairs.sample_P.to(device)]
        prediction = predict(unet, states, self.schedule.timesteps_T[step_P], prompts, self.empty_1LD, self.guidance)
        return ddim.step_mean(self.schedule, step_P, states, prediction)

    def log_prob(self, mean_PCHW: Tensor, pairs: Pairs) -> Tensor:
        """Log-prob of the action that was taken, [P]."""
        actions = self.experience.latents_MSCHW[self.row_N[pairs.sample_P], pairs.step_P + 1].to(mean_PCHW.device)
        return ddim.log_prob(actions, mean_PCHW, self.sigma(pairs))

    def old_log_prob(self, pairs: Pairs) -> Tensor:
        """The sampler's log-prob, as stored, [P]."""
        return self.experience.log_probs_MT[self.row_N[pairs.sample_P], pairs.step_P].to(self.policy.device)

    def clip_range(self, config: TrainingConfig) -> float:
        """Half width of the ratio's interval, for this model's latent."""
        return clip_range(config, math.prod(self.experience.latents_MSCHW.shape[2:]))

    def sigma(self, pairs: Pairs) -> Tensor:
        """Standard deviation of each pair's step, [P]."""
        return self.schedule.sigma_T[pairs.step_P.to(self.policy.device)]


def clip_range(config: TrainingConfig, latent_numbers: int) -> float:
    """Half width of the ratio's interval. The log-prob is a mean: the same trust region is wider on a smaller latent.

    >>> clip_range(TrainingConfig(clip_range=1e-4, scale_clip=True), 4 * 32 * 32)
    0.0004
    """
    clip = config.clip_range * REFERENCE_LATENT / latent_numbers if config.scale_clip else config.clip_range
    if clip >= 1:
        raise BadRequest(
            f"training.clip_range scaled to {latent_numbers} latent numbers is {clip:.3g}: nothing is clipped"
        )
    return clip


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


def optimise(
    evaluator: Evaluator,
    plan: Sequence[Pairs],
    advantage_N: Tensor,
    optimizer: torch.optim.Optimizer,
    average: AdapterAverage,
    config: TrainingConfig,
    progress: Progress,
    checkpoints: Checkpoints,
    *,
    ranks: Ranks = SOLO,
) -> dict[str, float]:
    """Take the plan's optimiser updates, from where `progress` stands. Returns their mean metrics."""
    parameters = list(trainable(evaluator.policy.unet).values())
    quiet = None if ranks.leads else True
    with tqdm(total=len(plan), initial=len(progress.history), desc="training", unit="update", disable=quiet) as bar:
        for pairs in plan[len(progress.history) :]:
            if progress.done == 0:
                optimizer.zero_grad(set_to_none=True)
            metrics = accumulate(evaluator, pairs, advantage_N, config, progress, checkpoints.within, ranks=ranks)
            norm = float(clip_grad_norm_(parameters, config.max_grad_norm))
            if not norm < float("inf"):  # NaN is not smaller either
                raise BadData(f"the gradient norm is {norm}: the policy has diverged", hint="lower the learning rate")
            optimizer.step()
            average.update()
            progress.taken({**metrics, "grad_norm": norm})
            checkpoints.between(progress)
            bar.update()
    history = progress.history
    return {name: sum(h[name] for h in history) / len(history) for name in history[0]}


def accumulate(
    evaluator: Evaluator,
    pairs: Pairs,
    advantage_N: Tensor,
    config: TrainingConfig,
    progress: Progress | None = None,
    paused: Callable[[Progress], None] = lambda progress: None,
    *,
    ranks: Ranks = SOLO,
) -> dict[str, float]:
    """Add the gradient of the mean loss over all pairs, micro-batch by micro-batch. Returns means over the pairs.

    Each rank evaluates the pairs that it holds, and all end with the sum. `paused` is called between micro-batches.
    """
    progress = progress or Progress()
    device, clip, mine = evaluator.policy.device, evaluator.clip_range(config), evaluator.held(pairs)
    progress.totals = progress.totals.to(device)
    for part in mine.after(progress.done).split(config.micro_batch):
        if progress.done:
            paused(progress)
        weight = len(part) / len(pairs)
        new = evaluator.log_prob(evaluator.mean(evaluator.policy.unet, part), part)
        old, advantage = evaluator.old_log_prob(part), advantage_N[part.sample_P].to(device)
        if config.algorithm == "ddpo_is":
            part_loss = loss.importance_sampling_loss(new, old, advantage, clip)
        else:
            part_loss = loss.score_function_loss(new, advantage)
        (part_loss * weight).backward()
        with torch.no_grad():
            clipped, kl = loss.clip_fraction(new, old, clip), loss.approximate_kl(new, old)
            progress.totals += weight * torch.stack([part_loss, clipped, kl])
        progress.done += len(part)
    ranks.sum_gradients(trainable(evaluator.policy.unet).values())
    return dict(zip(("loss", "clip_fraction", "approx_kl"), ranks.sum(progress.totals).tolist(), strict=True))
