"""Register policies of a synthetic campaign, and look at what a UNet does."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel

from components.core import plan, runner
from components.core.contracts import Manifest, RegistrationRequest, StepName
from tests.core.campaigns import SyntheticCampaign


def request_for(synthetic: SyntheticCampaign, policy: int = 2, *, evaluated: bool = True) -> RegistrationRequest:
    return plan.registration_request(synthetic.config, synthetic.run, policy, evaluated=evaluated)


def register(synthetic: SyntheticCampaign, policy: int = 2, *, evaluated: bool = True) -> Manifest:
    return runner.run_request(StepName.REGISTRATION, request_for(synthetic, policy, evaluated=evaluated))


def predict(unet: UNet2DConditionModel) -> torch.Tensor:
    """The UNet's output on fixed noise, at a size that every layer takes part in."""
    generator = torch.Generator().manual_seed(2)
    shape = (2, unet.config.in_channels, unet.config.sample_size, unet.config.sample_size)
    context = torch.randn((2, 7, unet.config.cross_attention_dim), generator=generator)
    with torch.no_grad():
        return unet(torch.randn(shape, generator=generator), 500, context).sample
