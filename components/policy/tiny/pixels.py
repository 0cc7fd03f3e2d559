"""Between pictures, uint8 arrays and the model's numbers; and the disturbances that make a scorer robust."""

# B pictures · C colours · H W pixels; the model's numbers lie in [-1, 1]
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from components.policy.tiny.drawing import SIDE


def from_pictures(pictures: Sequence[Image.Image]) -> Tensor:
    """PIL pictures -> float [B, 3, 32, 32]; another size is averaged or enlarged to 32x32 first."""
    arrays = [
        np.asarray(
            picture.convert("RGB") if picture.size == (SIDE, SIDE)
            else picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
        ) for picture in pictures
    ]  # fmt: skip
    return from_array(np.stack(arrays))


def from_array(pictures_BHWC: np.ndarray) -> Tensor:
    """uint8 [B, 32, 32, 3] -> float [B, 3, 32, 32]."""
    return torch.from_numpy(pictures_BHWC.copy()).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_pictures(x_BCHW: Tensor) -> list[Image.Image]:
    """float [B, 3, 32, 32] -> PIL pictures."""
    bytes_BHWC = x_BCHW.detach().float().clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(picture) for picture in bytes_BHWC]


def disturb(x_BCHW: Tensor, generator: torch.Generator, *, blur: float = 1.0, noise: float = 0.15) -> Tensor:
    """Blur, noise, contrast and a shift of up to two pixels, each picture with its own strength.

    What an autoencoder and a short sampling leave of a drawing: soft edges, a little grain, paler colours.
    """
    batch = x_BCHW.shape[0]

    def strength(scale: float) -> Tensor:
        return (torch.rand(batch, 1, 1, 1, generator=generator) * scale).to(x_BCHW)

    once = functional.avg_pool2d(functional.pad(x_BCHW, (1, 1, 1, 1), mode="replicate"), 3, 1)
    twice = functional.avg_pool2d(functional.pad(once, (1, 1, 1, 1), mode="replicate"), 3, 1)
    soft, very = strength(blur), strength(0.6 * blur)
    x = x_BCHW + soft * (once - x_BCHW) + very * (twice - once)
    grain = torch.randn(batch, 3, SIDE // 2, SIDE // 2, generator=generator).to(x)
    x = x + strength(noise) * functional.interpolate(grain, scale_factor=2, mode="bilinear")
    x = x * (0.75 + strength(0.4)) + strength(0.2) - 0.1
    dx, dy = (int(torch.randint(-2, 3, (), generator=generator)) for _ in range(2))
    return torch.roll(functional.pad(x, (2, 2, 2, 2), mode="replicate"), (dy, dx), (2, 3))[:, :, 2:-2, 2:-2]
