"""Stochastic DDIM as a policy: one denoising step is one action, with a probability.

This is the only definition of a step. Sampling draws from it, training scores the stored action with it, and the
importance ratio is 1 before the first update because both call the same function on the same numbers.

B pictures or (picture, step) pairs · T steps · C H W latent. Everything here is fp32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from components.core.config import SamplerConfig
from components.core.errors import BadRequest


@dataclass(frozen=True)
class Schedule:
    """Coefficients of the T steps, computed once in float64 and kept as fp32 tensors of shape [T]."""

    timesteps_T: Tensor
    """Training timestep of each step, int64, descending."""
    alpha_bar_T: Tensor
    alpha_bar_prev_T: Tensor
    sigma_T: Tensor
    """Standard deviation of the step's noise; positive unless eta is 0."""
    prediction_type: str

    @property
    def steps(self) -> int:
        """T."""
        return len(self.timesteps_T)

    def to(self, device: torch.device) -> Schedule:
        """The same schedule on another device, so that no step waits for the host."""
        return Schedule(
            timesteps_T=self.timesteps_T.to(device),
            alpha_bar_T=self.alpha_bar_T.to(device),
            alpha_bar_prev_T=self.alpha_bar_prev_T.to(device),
            sigma_T=self.sigma_T.to(device),
            prediction_type=self.prediction_type,
        )


def make_schedule(scheduler: DDIMScheduler, sampler: SamplerConfig) -> Schedule:
    """Coefficients of equations 12 and 16 of DDIM (arXiv 2010.02502) for a model's own noise schedule.

    Raises BadRequest for what has no well-defined log-prob: clipped or thresholded predictions.
    """
    config = scheduler.config
    if config.clip_sample or config.thresholding:
        raise BadRequest("the base's scheduler clips its prediction: a clipped step has no Gaussian log-prob")
    if config.prediction_type not in ("epsilon", "v_prediction"):
        raise BadRequest(f"prediction_type {config.prediction_type!r} is not supported: epsilon or v_prediction")
    spaced = DDIMScheduler.from_config(config, timestep_spacing=sampler.timestep_spacing)
    spaced.set_timesteps(sampler.steps)
    timesteps = spaced.timesteps.to(torch.int64).cpu()
    previous = timesteps - config.num_train_timesteps // sampler.steps

    alpha_bars = spaced.alphas_cumprod.double().cpu()
    alpha_bar = alpha_bars[timesteps]
    final = spaced.final_alpha_cumprod.double().cpu()
    alpha_bar_prev = torch.where(previous >= 0, alpha_bars[previous.clamp(min=0)], final)
    variance = (1 - alpha_bar_prev) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_prev)
    return Schedule(
        timesteps_T=timesteps,
        alpha_bar_T=alpha_bar.float(),
        alpha_bar_prev_T=alpha_bar_prev.float(),
        sigma_T=(sampler.eta * variance.clamp(min=0).sqrt()).float(),
        prediction_type=config.prediction_type,
    )


def require_stochastic(schedule: Schedule) -> None:
    """Refuse a schedule that cannot be trained on: a step without noise has an infinite log-prob."""
    silent = (schedule.sigma_T == 0).nonzero().flatten().tolist()
    if len(silent) == schedule.steps:
        raise BadRequest("eta = 0 is deterministic: it has no log-prob to train on", hint="set sampler.eta above 0")
    if silent:
        raise BadRequest(
            f"step {silent[0]} (t={int(schedule.timesteps_T[silent[0]])}) has sigma 0, so its log-prob is infinite",
            hint="use a scheduler with set_alpha_to_one = false",
        )


def step_mean(schedule: Schedule, step_B: Tensor, latents_BCHW: Tensor, prediction_BCHW: Tensor) -> Tensor:
    """Mean of x_{t-1} given x_t and the model's prediction, for a step index that may differ within the batch."""
    x, prediction = latents_BCHW.float(), prediction_BCHW.float()
    alpha_bar, alpha_bar_prev, sigma = (
        c[step_B].view(-1, 1, 1, 1) for c in (schedule.alpha_bar_T, schedule.alpha_bar_prev_T, schedule.sigma_T)
    )
    if schedule.prediction_type == "v_prediction":
        clean = alpha_bar.sqrt() * x - (1 - alpha_bar).sqrt() * prediction
        noise = alpha_bar.sqrt() * prediction + (1 - alpha_bar).sqrt() * x
    else:
        noise = prediction
        clean = (x - (1 - alpha_bar).sqrt() * noise) / alpha_bar.sqrt()
    return alpha_bar_prev.sqrt() * clean + (1 - alpha_bar_prev - sigma**2).clamp(min=0).sqrt() * noise


def log_prob(next_BCHW: Tensor, mean_BCHW: Tensor, sigma_B: Tensor) -> Tensor:
    """Log-density of a step's action, shape [B]: the mean, not the sum, over C·H·W.

    The clip range of DDPO (1e-4 on Stable Diffusion) goes with the mean; the sum overflows the ratio at once.
    """
    sigma = sigma_B.view(-1, 1, 1, 1)
    z_BCHW = (next_BCHW.float() - mean_BCHW) / sigma
    return (-0.5 * z_BCHW**2 - sigma.log() - 0.5 * math.log(2 * math.pi)).mean(dim=(1, 2, 3))


def draw_step(
    schedule: Schedule,
    step_B: Tensor,
    latents_BCHW: Tensor,
    prediction_BCHW: Tensor,
    noise_BCHW: Tensor,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor, Tensor]:
    """Take one step: x_{t-1} (already rounded to `dtype`, held in fp32), its log-prob [B], and the step's mean.

    The value is rounded first, and the log-prob is that of the rounded value: what is stored is what was scored. A
    log-prob taken before rounding puts up to 15 % of the ratios outside the clip. With eta 0 the log-prob is NaN.
    """
    mean_BCHW = step_mean(schedule, step_B, latents_BCHW, prediction_BCHW)
    sigma_B = schedule.sigma_T[step_B]
    next_BCHW = (mean_BCHW + sigma_B.view(-1, 1, 1, 1) * noise_BCHW).to(dtype).float()
    return next_BCHW, log_prob(next_BCHW, mean_BCHW, sigma_B), mean_BCHW


def step_kl(mean_BCHW: Tensor, reference_mean_BCHW: Tensor, sigma_B: Tensor) -> Tensor:
    """KL between two policies' Gaussians of one step, in nats, shape [B]: |mu - mu_ref|^2 / (2 sigma^2), a sum."""
    return ((mean_BCHW - reference_mean_BCHW) ** 2).sum(dim=(1, 2, 3)) / (2 * sigma_B**2)
