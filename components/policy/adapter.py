"""A policy as an adapter: LoRA on the UNet, by peft, stored in the file that stock diffusers loads.

The file is `pytorch_lora_weights.safetensors`: peft's own keys below `unet.`, and the LoRA configuration as its one
metadata entry. Both matter: keys converted to diffusers' older naming lose attention adapters silently as soon as
convolutions have adapters too, and without the metadata alpha is taken to be equal to the rank.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig as PeftLoraConfig
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from components.core.config import LoraConfig
from components.core.errors import BadData

METADATA_KEY = "lora_adapter_metadata"  # the entry that diffusers reads
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
ALL = (
    *ATTENTION, "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2",
    "conv1", "conv2", "time_emb_proj", "conv_in", "conv_out",
)  # fmt: skip


def add_adapter(unet: UNet2DConditionModel, lora: LoraConfig, *, seed: int) -> None:
    """Attach a fresh adapter: A drawn from the seed, B zero, so that the policy does not change yet."""
    config = PeftLoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        target_modules=list(ATTENTION if lora.targets == "attention" else ALL),
        lora_dropout=lora.dropout,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet.add_adapter(config)
    _prepare(unet)


def shape(lora: LoraConfig) -> str:
    """What an adapter's config says of it, in words.

    >>> shape(LoraConfig(rank=4, alpha=8, targets="attention"))
    'rank 4, alpha 8, targets attention'
    """
    return f"rank {lora.rank}, alpha {lora.alpha:g}, targets {lora.targets}"


def shape_of(unet: UNet2DConditionModel) -> str:
    """The same, of the adapter that a UNet has."""
    config = unet.peft_config["default"]
    targets = "attention" if set(config.target_modules) == set(ATTENTION) else "all"
    return f"rank {config.r}, alpha {config.lora_alpha:g}, targets {targets}"


def save_adapter(unet: UNet2DConditionModel) -> bytes:
    """The adapter as a safetensors file. The same adapter gives the same bytes: one metadata entry, sorted keys."""
    tensors = {
        f"unet.{name}": tensor.detach().to("cpu", torch.float32).contiguous()
        for name, tensor in sorted(get_peft_model_state_dict(unet).items())
    }
    config = unet.peft_config["default"].to_dict()
    metadata = {f"unet.{key}": _plain(value) for key, value in config.items() if value is not None}
    return save_tensors(tensors, metadata={METADATA_KEY: json.dumps(metadata, sort_keys=True)})


def load_adapter(unet: UNet2DConditionModel, data: bytes, *, source: str) -> None:
    """Attach a stored adapter. Raises BadData if the file is not one, or does not fit the base."""
    try:
        tensors = load_tensors(data)
        metadata = json.loads(_metadata(data)[METADATA_KEY])
    except Exception as error:
        raise BadData(f"{source} is not an adapter: {error}") from None
    unet.add_adapter(PeftLoraConfig(**{key.removeprefix("unet."): value for key, value in metadata.items()}))
    state = {name.removeprefix("unet."): tensor for name, tensor in tensors.items()}
    expected = {name: t.shape for name, t in get_peft_model_state_dict(unet).items()}
    if expected != {name: t.shape for name, t in state.items()}:
        raise BadData(f"{source} does not fit this base model", hint="was it trained on another base?")
    _prepare(unet)
    set_peft_model_state_dict(unet, state)


def trainable(unet: UNet2DConditionModel) -> dict[str, nn.Parameter]:
    """The adapter's parameters by name, sorted: an order that does not depend on how the module was built."""
    return {name: p for name, p in sorted(unet.named_parameters()) if p.requires_grad}


def fold(unet: UNet2DConditionModel) -> None:
    """Add the adapter into the base weights and drop it: a third less work a step in fp32.

    Only in fp32: a bf16 weight cannot hold a delta of 1e-4. Exact to about 1e-6 in the ratio.
    """
    unet.fuse_lora()
    unet.unload_lora()


def _prepare(unet: UNet2DConditionModel) -> None:
    """Only the adapter is trainable, and it is fp32 on any base: a 16-bit moment loses AdamW's epsilon."""
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_("lora_" in name)
        if "lora_" in name:
            parameter.data = parameter.data.float()


def _metadata(data: bytes) -> dict[str, str]:
    """Metadata of a safetensors file in memory: an 8-byte length, then a JSON header."""
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return metadata


def _plain(value: Any) -> Any:
    """Sets become sorted lists and enums their values, so that JSON is stable."""
    if isinstance(value, set):
        return sorted(value)
    return getattr(value, "value", value)


def state_bytes(tensors: dict[str, Tensor]) -> bytes:
    """Names, dtypes, shapes and bytes of tensors in sorted order: what a policy's id is a hash of."""
    parts = []
    for name, tensor in sorted(tensors.items()):
        plain = tensor.detach().cpu().contiguous()
        parts += [f"{name}\0{plain.dtype}\0{tuple(plain.shape)}\0".encode(), plain.view(torch.uint8).numpy().tobytes()]
    return b"".join(parts)
