"""The names that open_clip gives the tensors of a CLIP, in transformers' words.

After the layout of open_clip's `CLIP` (tgxs002/HPSv2 866735e, `src/open_clip/model.py`): one matrix for query, key and
value, and projections that stand on the other side of the product.
"""

from __future__ import annotations

import re

import torch

from components.scoring.rewards.pretrained import Tensors

STEMS = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1": "vision_model.embeddings.patch_embedding",
    "visual.ln_pre": "vision_model.pre_layrnorm",  # transformers' own spelling
    "visual.ln_post": "vision_model.post_layernorm",
    "visual.transformer.resblocks": "vision_model.encoder.layers",
    "token_embedding": "text_model.embeddings.token_embedding",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "transformer.resblocks": "text_model.encoder.layers",
    "ln_final": "text_model.final_layer_norm",
}
PROJECTIONS = {"visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight"}
IN_A_BLOCK = {
    ".ln_1.": ".layer_norm1.",
    ".ln_2.": ".layer_norm2.",
    ".attn.out_proj.": ".self_attn.out_proj.",
    ".mlp.c_fc.": ".mlp.fc1.",
    ".mlp.c_proj.": ".mlp.fc2.",
}
FUSED = re.compile(r"(.*)\.attn\.in_proj_(weight|bias)")


def from_open_clip(tensors: Tensors) -> dict[str, torch.Tensor]:
    """The state of transformers' CLIPModel; a name that is none of open_clip's stays as it is."""
    renamed: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if name in PROJECTIONS:
            renamed[PROJECTIONS[name]] = tensor.t().contiguous()
        elif fused := FUSED.fullmatch(_rename(name)):
            for part, rows in zip("qkv", tensor.chunk(3), strict=True):
                renamed[f"{fused[1]}.self_attn.{part}_proj.{fused[2]}"] = rows.contiguous()
        else:
            renamed[_rename(name)] = tensor
    return renamed


def _rename(name: str) -> str:
    """
    >>> _rename("visual.transformer.resblocks.3.mlp.c_fc.bias")
    'vision_model.encoder.layers.3.mlp.fc1.bias'
    """
    for stem, ours in STEMS.items():
        if name == stem or name.startswith(f"{stem}."):
            name = ours + name.removeprefix(stem)
            break
    for theirs, ours in IN_A_BLOCK.items():
        name = name.replace(theirs, ours)
    return name
