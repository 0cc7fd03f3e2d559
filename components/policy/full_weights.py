"""A policy of which every UNet weight was trained, in one file: fp32 masters, whatever the base computes in.

On a 16-bit base the UNet itself holds the masters rounded to its precision, in sampling and in training alike: so both
compute the same function, and the importance ratio stays 1.
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from components.core.errors import BadData


def save_unet(masters: dict[str, Tensor]) -> bytes:
    """The weights as a safetensors file, fp32. The same weights give the same bytes: sorted, without metadata."""
    return save_tensors({name: tensor.detach().to("cpu", torch.float32) for name, tensor in sorted(masters.items())})


def read_masters(unet: UNet2DConditionModel, data: bytes, *, source: str) -> dict[str, Tensor]:
    """The weights of a stored file, fp32, on the CPU. Raises BadData if it is none, or does not fit the base."""
    try:
        masters = load_tensors(data)
    except Exception as error:
        raise BadData(f"{source} is not a UNet's weights: {error}") from None
    expected = {name: parameter.shape for name, parameter in unet.named_parameters()}
    if {name: tensor.shape for name, tensor in masters.items()} != expected:
        raise BadData(f"{source} does not fit this base model", hint="was it trained on another base?")
    if any(tensor.dtype != torch.float32 for tensor in masters.values()):
        raise BadData(f"{source} holds weights that are not fp32")
    return masters


@torch.no_grad()
def put(unet: UNet2DConditionModel, masters: dict[str, Tensor]) -> None:
    """Give the UNet these weights, rounded to its own precision."""
    for name, parameter in unet.named_parameters():
        parameter.copy_(masters[name])
