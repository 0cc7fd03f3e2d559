"""A policy that can be computed by hand: its UNet predicts a x + b, so that every path is a Gaussian process.

The classes around it are the project's own; only UNet and text encoder are replaced. N samples · T steps.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from components.core.config import SamplerConfig
from components.policy import ddim
from components.policy.load import Policy
from components.training.evaluator import Evaluator
from components.training.experience import Experience


class LinearUnet(nn.Module):
    """Predicts a x + b, whatever the timestep and the prompt."""

    def __init__(self, a: float, b: float, size: int) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(a)), nn.Parameter(torch.tensor(b))
        self.config = SimpleNamespace(in_channels=1, sample_size=size)

    def forward(self, latents: Tensor, timestep: Tensor, context: Tensor) -> Any:
        """As a UNet answers."""
        return SimpleNamespace(sample=self.a * latents + self.b)


class LinearPolicy(Policy):
    """No prompts: their embeddings are zeros."""

    def embed(self, texts: list[str]) -> Tensor:
        return torch.zeros(len(texts), 1, 1)


def linear_policy(a: float, b: float, *, base: tuple[float, float] = (0.5, 0.1), size: int = 1, v: bool = False) -> Any:
    """A policy with latents of 1 x size x size numbers, on Stable Diffusion's own noise schedule."""
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type="v_prediction" if v else "epsilon",
    )  # fmt: skip
    nothing: Any = nn.Identity()
    base_unet: Any = LinearUnet(*base, size).requires_grad_(False)
    unet: Any = LinearUnet(a, b, size)
    return LinearPolicy("toy", unet, base_unet, False, nothing, nothing, None, scheduler, torch.device("cpu"))


def drawn(policy: Any, samples: int, sampler: SamplerConfig, *, seed: int = 0) -> Evaluator:
    """Trajectories of the policy, drawn by the project's own step, and what evaluates them."""
    schedule, generator = ddim.make_schedule(policy.scheduler, sampler), torch.Generator().manual_seed(seed)

    def noise() -> Tensor:
        return torch.randn(samples, *policy.latent_shape, generator=generator)

    states, log_probs = [noise()], []
    with torch.no_grad():
        for i in range(schedule.steps):
            step = torch.full((samples,), i)
            prediction = policy.unet(states[-1], None, None).sample
            following, log_prob, _ = ddim.draw_step(schedule, step, states[-1], prediction, noise())
            states.append(following)
            log_probs.append(log_prob)
    names, rewards, everyone = [str(n) for n in range(samples)], [0.0] * samples, torch.arange(samples)
    experience = Experience(names, names, rewards, torch.stack(states, 1), torch.stack(log_probs, 1), everyone, 0)
    return Evaluator(policy, experience, sampler)


def gradient(policy: Any, loss: Tensor) -> Tensor:
    """Derivatives by a and b, [2]."""
    return torch.stack(torch.autograd.grad(loss, [policy.unet.a, policy.unet.b]))
