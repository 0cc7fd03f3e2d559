"""What a UNet says of stored trajectories: means and log-probs of their steps, and the denoising of their pictures.

P pairs · N samples · C H W latent.
"""

from __future__ import annotations

import math

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from components.core.config import SamplerConfig, TrainingConfig
from components.core.errors import BadRequest
from components.policy import ddim
from components.policy.load import Policy, predict
from components.training.experience import Experience
from components.training.pairs import Pairs

FLOAT16_SCALE = 2.0**8
"""Per pair. What is too large is infinite, and refused by its norm."""
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
        prediction = self.predict(unet, states, self.schedule.timesteps_T[step_P], pairs)
        return ddim.step_mean(self.schedule, step_P, states, prediction)

    def predict(self, unet: UNet2DConditionModel, latents_PCHW: Tensor, timestep_P: Tensor, pairs: Pairs) -> Tensor:
        """Prediction for other latents of the pairs' samples, guided as in sampling, [P, C, H, W]."""
        prompts = self.prompts_NLD[pairs.sample_P.to(self.policy.device)]
        return predict(unet, latents_PCHW, timestep_P, prompts, self.empty_1LD, self.guidance)

    def finished(self, pairs: Pairs) -> Tensor:
        """Latents of the finished pictures, the last states of their trajectories, [P, C, H, W]."""
        return self.experience.latents_MSCHW[self.row_N[pairs.sample_P], -1].to(self.policy.device).float()

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

    def gradient_scale(self, pairs: int) -> float:
        """What the mean loss over so many pairs is multiplied with on its way back through the UNet.

        On float16 a power of two for each pair: at Stable Diffusion's size and 6400 pairs the gradient of a pair's
        prediction is 2e-8 unscaled, and so 0, and 0.03 scaled, in the middle of what float16 can hold.
        """
        return FLOAT16_SCALE * pairs if self.prompts_NLD.dtype == torch.float16 else 1.0

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
