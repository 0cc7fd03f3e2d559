"""Train the autoencoder: 32x32 pictures <-> 8x8 latents.

Reads    drawn pictures, uint8      Writes   nothing: returns the model      Needs   10 minutes on two cores

Two things decide its quality: many small steps (batch 8 beats batch 32 by far in the same time), and a loss led by the
squared error. The decoder goes on alone afterwards: the encoder, and so the latents, stay as the UNet will see them.
"""

# B pictures · C colours or latent channels · H W pixels
from __future__ import annotations

import math

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from tqdm import tqdm

from components.policy.tiny.optimising import Average, adamw
from components.policy.tiny.pixels import from_array

BATCH = 8
LATENT_CHANNELS = 12
KL_WEIGHT = 1e-3


def untrained_vae() -> AutoencoderKL:
    """Three levels, so 32 pixels become 8; no attention (0.4 M parameters)."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 48),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=32,
        mid_block_add_attention=False,
    )


def train_vae(pictures: np.ndarray, *, steps: int, decoder_steps: int, seed: int, device: str = "cpu") -> AutoencoderKL:
    """Both halves together for `steps`, then the decoder alone for `decoder_steps`."""
    torch.manual_seed(seed)
    vae = untrained_vae().to(device).train()
    _fit(vae, pictures, steps=steps, rate=1.5e-3, seed=seed, device=device, label="vae")

    vae.requires_grad_(False)
    vae.decoder.requires_grad_(True)
    vae.post_quant_conv.requires_grad_(True)
    _fit(vae, pictures, steps=decoder_steps, rate=1e-3, seed=seed + 1, device=device, label="vae decoder")

    vae.requires_grad_(True).eval()
    vae.register_to_config(scaling_factor=round(1 / latents_of(vae, pictures[:2000]).std().item(), 4))
    return vae


def _fit(
    vae: AutoencoderKL, pictures: np.ndarray, *, steps: int, rate: float, seed: int, device: str, label: str
) -> None:
    rng = np.random.default_rng(seed)
    trained = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    optimiser, schedule = adamw(trained, steps, rate)
    average = Average([vae])
    bar = tqdm(range(steps), desc=label, mininterval=5)
    for step in bar:
        x = from_array(pictures[rng.integers(len(pictures), size=BATCH)]).to(device)
        posterior = vae.encode(x).latent_dist
        y = vae.decode(posterior.sample()).sample
        loss = picture_loss(y, x) + KL_WEIGHT * posterior.kl().mean() / posterior.mean[0].numel()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        average.update()
        if step % 200 == 0:
            bar.set_postfix(loss=f"{loss.item():.4f}", dB=f"{psnr(y, x):.2f}")
    average.store()


def picture_loss(y_BCHW: Tensor, x_BCHW: Tensor) -> Tensor:
    """Squared error first; a little absolute error and error of the gradients keep edges from going soft."""
    difference = y_BCHW - x_BCHW
    edges = difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()
    return 5 * difference.square().mean() + 0.5 * difference.abs().mean() + 0.3 * edges


@torch.no_grad()
def psnr(y_BCHW: Tensor, x_BCHW: Tensor) -> float:
    """Peak signal-to-noise ratio in dB for values in [-1, 1]."""
    return 10 * math.log10(4 / (y_BCHW.clamp(-1, 1) - x_BCHW).square().mean().item())


@torch.no_grad()
def latents_of(vae: AutoencoderKL, pictures: np.ndarray) -> Tensor:
    """uint8 [N, 32, 32, 3] -> the posterior's mean, unscaled, [N, C, 8, 8] on the CPU."""
    chunks = [pictures[start : start + 256] for start in range(0, len(pictures), 256)]
    return torch.cat([vae.encode(from_array(chunk).to(vae.device)).latent_dist.mode().cpu() for chunk in chunks])


@torch.no_grad()
def reconstructed(vae: AutoencoderKL, pictures: np.ndarray) -> Tensor:
    """uint8 [N, 32, 32, 3] -> what the autoencoder makes of them, float [N, 3, 32, 32] on the CPU."""
    latents = latents_of(vae, pictures)
    return torch.cat([vae.decode(part.to(vae.device)).sample.clamp(-1, 1).cpu() for part in latents.split(256)])
