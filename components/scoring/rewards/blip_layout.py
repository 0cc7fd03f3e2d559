"""BLIP in its authors' layout, in transformers' words: the picture encoder's names, and the sizes of both encoders.

After THUDM/ImageReward c1392c6 (`models/BLIP/vit.py`, `med.py`). The text encoder has the same names in both.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from transformers import BlipTextConfig, BlipVisionConfig

from components.core.errors import BadData, MissingInput
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
HEAD_WIDTH = 64
"""Of an attention head of the picture encoder: BLIP's ViT-B has 12 of them, its ViT-L 16."""
BLOCK = re.compile(r"blocks\.(\d+)\.(.+)\.(weight|bias)")


def from_blip_vision(tensors: Tensors) -> dict[str, torch.Tensor]:
    """The state of transformers' BlipVisionModel; a name that is none of BLIP's stays as it is."""
    return {_rename(name): tensor for name, tensor in tensors.items()}


def vision_config(tensors: Tensors, place: Path) -> Any:
    """The picture encoder's sizes, which stand in no published file but follow from its tensors.

    Raises BadData, naming `place`, where the tensors are those of something else.
    """
    try:
        positions, width = tensors["pos_embed"].shape[1:]
        patch = tensors["patch_embed.proj.weight"].shape[-1]
        inner = tensors["blocks.0.mlp.fc1.weight"].shape[0]
    except (KeyError, ValueError, IndexError) as error:
        raise BadData(f"{place} is no checkpoint of BLIP: its picture encoder lacks {error}") from None
    return BlipVisionConfig(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=len({name.split(".")[1] for name in tensors if name.startswith("blocks.")}),
        num_attention_heads=width // HEAD_WIDTH,
        image_size=round((positions - 1) ** 0.5) * patch,
        patch_size=patch,
        hidden_act="gelu",
        layer_norm_eps=1e-6,
    )


def read_med_config(file: Path, picture_width: int) -> Any:
    """The text encoder's sizes, from the published med_config.json; each layer looks at the picture.

    Raises MissingInput without the file, BadData for another.
    """
    try:
        med = json.loads(file.read_text(encoding="utf-8"))
        return BlipTextConfig(
            vocab_size=med["vocab_size"],
            hidden_size=med["hidden_size"],
            intermediate_size=med["intermediate_size"],
            num_hidden_layers=med["num_hidden_layers"],
            num_attention_heads=med["num_attention_heads"],
            max_position_embeddings=med["max_position_embeddings"],
            layer_norm_eps=med["layer_norm_eps"],
            hidden_act=med["hidden_act"],
            pad_token_id=med["pad_token_id"],
            bos_token_id=None,
            eos_token_id=None,
            sep_token_id=None,
            encoder_hidden_size=picture_width,
            is_decoder=True,  # in transformers, what has cross-attention; nothing is masked causally
        )
    except FileNotFoundError:
        raise MissingInput(f"no {file.name} in {file.parent}", hint="it is published beside the checkpoint") from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadData(f"{file} is no med_config.json of BLIP: {error}") from None


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
