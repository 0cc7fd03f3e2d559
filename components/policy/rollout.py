"""Denoise a batch from noise to pictures, remembering every state, action and log-prob.

B pictures · T steps · C H W latent.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from components.core.config import SamplerConfig
from components.policy import ddim
from components.policy.load import DTYPES, Policy, predict


@dataclass
class Rollout:
    """What a batch of trajectories is made of."""

    latents_BNCHW: Tensor
    """All T+1 states, x_T first, in the dtype in which they are stored."""
    log_probs_BT: Tensor
    """fp32. NaN where eta is 0."""
    kl_to_base_B: Tensor | None
    """Path KL to the bare base, nats; None when not asked for."""
    pictures: list[Image.Image]


@torch.inference_mode()
def rollout(
    policy: Policy, texts: list[str], seeds: list[int], sampler: SamplerConfig, *, kl_to_base: bool = False
) -> Rollout:
    """Sample one picture for each text.

    A picture depends on its own text and seed only: noise comes from a CPU generator a picture, drawn in diffusers'
    order (initial latents, then one draw a step), so that a stock pipeline given the same generators agrees.
    """
    dtype = DTYPES[sampler.latents_dtype]
    schedule = ddim.make_schedule(policy.scheduler, sampler).to(policy.device)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    prompts, empty = policy.embed(texts), policy.embed([""])

    latents = _noise(generators, policy).to(dtype).float()
    states, log_probs = [latents.to(dtype)], []
    kl = torch.zeros(len(texts), device=policy.device) if kl_to_base else None
    for i in range(schedule.steps):
        step = torch.full((len(texts),), i, device=policy.device)
        timestep = schedule.timesteps_T[step]
        inputs = (latents, timestep, prompts, empty, sampler.guidance_scale)
        # At eta 0 diffusers draws nothing, so neither do we.
        noise = _noise(generators, policy) if sampler.eta else torch.zeros_like(latents)
        next_latents, log_prob, mean = ddim.draw_step(schedule, step, latents, policy.predict(*inputs), noise, dtype)
        if kl is not None and not policy.bare:
            reference = ddim.step_mean(schedule, step, latents, predict(policy.base_unet, *inputs))
            kl += ddim.step_kl(mean, reference, schedule.sigma_T[step])
        latents = next_latents
        states.append(latents.to(dtype))
        log_probs.append(log_prob)
    return Rollout(
        latents_BNCHW=torch.stack(states, dim=1).cpu(),
        log_probs_BT=torch.stack(log_probs, dim=1).cpu(),
        kl_to_base_B=None if kl is None else kl.cpu(),
        pictures=decode(policy, latents),
    )


@torch.inference_mode()
def decode(policy: Policy, latents_BCHW: Tensor) -> list[Image.Image]:
    """Pictures of finished latents: 8-bit RGB, rounded to the nearest value as diffusers does."""
    vae = policy.vae
    images = vae.decode(latents_BCHW.to(vae.dtype) / vae.config.scaling_factor).sample
    bytes_BHWC = ((images.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu()
    return [Image.fromarray(picture.numpy(), mode="RGB") for picture in bytes_BHWC]


def _noise(generators: list[torch.Generator], policy: Policy) -> Tensor:
    drawn = [torch.randn((1, *policy.latent_shape), generator=g) for g in generators]
    return torch.cat(drawn).to(policy.device)
