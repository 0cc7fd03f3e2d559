"""The names that BLIP's own code gives the tensors of its picture encoder, in transformers' words.

After the layout of THUDM/ImageReward c1392c6 (`models/BLIP/vit.py`). The text encoder has the same names in both.
"""

from __future__ import annotations

import re

import torch

from components.scoring.rewards.pretrained import Tensors

STEMS = {
    "cls_token": "embeddings.class_embedding",
    "pos_embed": "embeddings.position_embedding",
    "patch_embed.proj.": "embeddings.patch_embedding.",
    "norm.": "post_layernorm.",
}
IN_A_BLOCK = {
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attn.qkv": "self_attn.qkv",
    "attn.proj": "self_attn.projection",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
BLOCK = re.compile(r"blocks\.(\d+)\.(.+)\.(weight|bias)")


def from_blip_vision(tensors: Tensors) -> dict[str, torch.Tensor]:
    """The state of transformers' BlipVisionModel; a name that is none of BLIP's stays as it is."""
    return {_rename(name): tensor for name, tensor in tensors.items()}


def _rename(name: str) -> str:
    """
    >>> _rename("blocks.3.attn.proj.bias")
    'encoder.layers.3.self_attn.projection.bias'
    """
    if block := BLOCK.fullmatch(name):
        return f"encoder.layers.{block[1]}.{IN_A_BLOCK.get(block[2], block[2])}.{block[3]}"
    for stem, ours in STEMS.items():
        if name.startswith(stem):
            return ours + name.removeprefix(stem)
    return name
