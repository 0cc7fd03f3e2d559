"""Small weights in the layouts that the real ones are published in: the same names, files and number of axes.

Every tensor is drawn from a generator of numpy's that never changes (RandomState), seeded by the tensor's name: the
numbers that the tests state belong to these weights.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from components.core.records import PromptRow
from components.policy.tiny.tokenizer import bert_tokenizer, clip_tokenizer

Shapes = dict[str, tuple[int, ...]]
Config = Mapping[str, Any]

SIDE, PATCH = 32, 8
TEXT = {
    "vocab_size": len(clip_tokenizer()), "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "max_position_embeddings": 16, "bos_token_id": clip_tokenizer().bos_token_id,
    "eos_token_id": clip_tokenizer().eos_token_id, "pad_token_id": clip_tokenizer().pad_token_id, "hidden_act": "gelu",
}  # fmt: skip
VISION = {
    "image_size": SIDE, "patch_size": PATCH, "hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 2, "hidden_act": "gelu",
}  # fmt: skip
WIDTH = 12

TEXTS = ["a cat", "a dog riding a bike", "a teapot", "a cat"]


def pictures() -> list[Image.Image]:
    """A gradient, noise, stripes and a disc: of several sizes, in colour."""
    y, x = np.mgrid[0:48, 0:48]
    gradient = np.stack([5 * x, 5 * y, 255 - 5 * x], -1)
    grains = np.random.RandomState(7).randint(0, 256, (32, 32, 3))
    stripes = np.stack([255 * (x // 6 % 2), 255 * (y // 12 % 2), 0 * x + 90], -1)
    disc = np.where(((x - 20) ** 2 + (y - 26) ** 2 < 180)[..., None], [210, 60, 40], [20, 110, 160])
    return [Image.fromarray(values.astype(np.uint8)) for values in (gradient, grains, stripes, disc)]


def rows(texts: list[str] = TEXTS) -> list[PromptRow]:
    return [PromptRow(prompt_id=f"p{i}", index=i, text=text, split="train") for i, text in enumerate(texts)]


def draw(shapes: Shapes, seed: int = 0) -> dict[str, torch.Tensor]:
    """Normal numbers that keep what passes through them at about its size, as trained weights do."""
    return {name: _draw(name, shape, seed) for name, shape in shapes.items()}


def _draw(name: str, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    generator = np.random.RandomState((zlib.crc32(name.encode()) + seed) % 2**32)
    if len(shape) > 1:
        return torch.tensor(generator.normal(0, np.prod(shape[1:]) ** -0.5, shape), dtype=torch.float32)
    multiplies = len(shape) == 1 and name.endswith("weight")
    return torch.tensor(generator.normal(float(multiplies), 0.1, shape), dtype=torch.float32)


def redraw(model: torch.nn.Module, seed: int = 0) -> None:
    """Give a model such weights; a temperature stays as it is."""
    kept = {"logit_scale", "logit_bias"}
    state = {name: tensor for name, tensor in model.state_dict().items() if name not in kept}
    model.load_state_dict(draw({name: tuple(t.shape) for name, t in state.items()}, seed), strict=False)


def small_clip(path: Path, seed: int = 0, logit_scale: float = 4.6052) -> CLIPModel:
    """A whole CLIP in transformers' layout: config, weights, tokenizer, picture processor."""
    model = CLIPModel(
        CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=WIDTH, logit_scale_init_value=logit_scale)
    ).eval()
    redraw(model, seed)
    model.save_pretrained(path)
    clip_processors(path)
    return model


def clip_processors(path: Path) -> None:
    clip_tokenizer().save_pretrained(path)
    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}).save_pretrained(path)


def small_siglip(path: Path) -> SiglipModel:
    """A SigLIP in transformers' layout, with the temperature and bias that it begins training with."""
    text = {**TEXT, "projection_size": 24}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=VISION)).eval()
    redraw(model)
    with torch.no_grad():
        model.logit_scale.fill_(float(np.log(10)))
        model.logit_bias.fill_(-2.0)
    model.save_pretrained(path)
    clip_tokenizer().save_pretrained(path)
    SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(path)
    return model


def head_shapes(width: int) -> Shapes:
    """`sac+logos+ava1-l14-linearMSE.pth`, read from the published file; there `width` is 768."""
    sizes = {0: (1024, width), 2: (128, 1024), 4: (64, 128), 6: (16, 64), 7: (1, 16)}
    weights = {f"layers.{i}.weight": size for i, size in sizes.items()}
    return weights | {f"layers.{i}.bias": size[:1] for i, size in sizes.items()}


def open_clip_shapes(vision: Config = VISION, text: Config = TEXT, width: int = WIDTH) -> Shapes:
    """`HPS_v2.1_compressed.pt`: the layout of open_clip's CLIP, by the published code (tgxs002/HPSv2 866735e)."""
    patches = (vision["image_size"] // vision["patch_size"]) ** 2
    eyes, words = vision["hidden_size"], text["hidden_size"]
    return {
        "positional_embedding": (text["max_position_embeddings"], words),
        "text_projection": (words, width),
        "logit_scale": (),
        "visual.class_embedding": (eyes,),
        "visual.positional_embedding": (patches + 1, eyes),
        "visual.proj": (eyes, width),
        "visual.conv1.weight": (eyes, 3, vision["patch_size"], vision["patch_size"]),
        **_norm("visual.ln_pre", eyes),
        **_open_clip_blocks("visual.transformer.resblocks", vision),
        **_norm("visual.ln_post", eyes),
        **_open_clip_blocks("transformer.resblocks", text),
        "token_embedding.weight": (text["vocab_size"], words),
        **_norm("ln_final", words),
    }


def _open_clip_blocks(stem: str, config: Config) -> Shapes:
    shapes: dict[str, tuple[int, ...]] = {}
    width, inner = config["hidden_size"], config["intermediate_size"]
    for block in (f"{stem}.{i}" for i in range(config["num_hidden_layers"])):
        shapes |= _norm(f"{block}.ln_1", width) | _norm(f"{block}.ln_2", width)
        shapes |= {f"{block}.attn.in_proj_weight": (3 * width, width), f"{block}.attn.in_proj_bias": (3 * width,)}
        shapes |= _linear(f"{block}.attn.out_proj", width, width)
        shapes |= _linear(f"{block}.mlp.c_fc", width, inner) | _linear(f"{block}.mlp.c_proj", inner, width)
    return shapes


MED_CONFIG = {
    "architectures": ["BertModel"], "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1, "hidden_size": 16, "initializer_range": 0.02, "intermediate_size": 32,
    "layer_norm_eps": 1e-12, "max_position_embeddings": 64, "model_type": "bert", "num_attention_heads": 2,
    "num_hidden_layers": 2, "pad_token_id": 0, "type_vocab_size": 2, "vocab_size": len(bert_tokenizer()),
    "encoder_width": 768, "add_cross_attention": True,
}  # fmt: skip
"""Published keys; encoder_width is wrong there too: the picture encoder's own width counts."""
BLIP = {**VISION, "hidden_size": 128, "intermediate_size": 512}
"""Two heads of 64, the width that all BLIPs have."""


def image_reward_shapes(vision: Config = BLIP, text: Config = MED_CONFIG) -> Shapes:
    """`ImageReward.pt`, by the published code (THUDM/ImageReward c1392c6)."""
    eyes, width, patch = vision["hidden_size"], text["hidden_size"], vision["patch_size"]
    stem, words = "blip.visual_encoder", "blip.text_encoder"
    shapes: dict[str, tuple[int, ...]] = {
        f"{stem}.cls_token": (1, 1, eyes),
        f"{stem}.pos_embed": (1, (vision["image_size"] // patch) ** 2 + 1, eyes),
        f"{stem}.patch_embed.proj.weight": (eyes, 3, patch, patch),
        f"{stem}.patch_embed.proj.bias": (eyes,),
        **_norm(f"{stem}.norm", eyes),
        f"{words}.embeddings.word_embeddings.weight": (text["vocab_size"], width),
        f"{words}.embeddings.position_embeddings.weight": (text["max_position_embeddings"], width),
        **_norm(f"{words}.embeddings.LayerNorm", width),
        **_linear("blip.vision_proj", eyes, 256),
        **_linear("blip.text_proj", width, 256),
    }
    for i in range(vision["num_hidden_layers"]):
        shapes |= _blip_block(f"{stem}.blocks.{i}", eyes, vision["intermediate_size"])
    for i in range(text["num_hidden_layers"]):
        shapes |= _bert_layer(f"{words}.encoder.layer.{i}", width, text["intermediate_size"], eyes)
    return shapes | {f"mlp.{name}": shape for name, shape in head_shapes(width).items()}


def _blip_block(block: str, width: int, inner: int) -> Shapes:
    return {
        **_norm(f"{block}.norm1", width),
        **_linear(f"{block}.attn.qkv", width, 3 * width),
        **_linear(f"{block}.attn.proj", width, width),
        **_norm(f"{block}.norm2", width),
        **_linear(f"{block}.mlp.fc1", width, inner),
        **_linear(f"{block}.mlp.fc2", inner, width),
    }


def _bert_layer(layer: str, width: int, inner: int, eyes: int) -> Shapes:
    shapes: dict[str, tuple[int, ...]] = {}
    for attention, seen in (("attention", width), ("crossattention", eyes)):
        for part, inputs in (("query", width), ("key", seen), ("value", seen)):
            shapes |= _linear(f"{layer}.{attention}.self.{part}", inputs, width)
        shapes |= _linear(f"{layer}.{attention}.output.dense", width, width)
        shapes |= _norm(f"{layer}.{attention}.output.LayerNorm", width)
    shapes |= _linear(f"{layer}.intermediate.dense", width, inner) | _linear(f"{layer}.output.dense", inner, width)
    return shapes | _norm(f"{layer}.output.LayerNorm", width)


def _linear(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def image_reward_tensors() -> dict[str, torch.Tensor]:
    positions = torch.arange(64)[None]
    return {**draw(image_reward_shapes()), "blip.text_encoder.embeddings.position_ids": positions}


def small_image_reward(path: Path) -> None:
    """ImageReward.pt and med_config.json, and BERT's tokenizer in `bert`."""
    path.mkdir(parents=True, exist_ok=True)
    torch.save(image_reward_tensors(), path / "ImageReward.pt")
    (path / "med_config.json").write_text(json.dumps(MED_CONFIG))
    bert_tokenizer().save_pretrained(path / "bert")


def small_aesthetic_head(path: Path) -> None:
    torch.save(draw(head_shapes(WIDTH)), path)


def small_hps(path: Path) -> None:
    """The checkpoint in `hps`, in half precision as published; config and processors in `base`."""
    (path / "hps").mkdir(parents=True)
    tensors = {name: tensor.half() for name, tensor in draw(open_clip_shapes()).items()}
    torch.save({"state_dict": tensors}, path / "hps" / "HPS_v2.1_compressed.pt")
    CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=WIDTH).save_pretrained(path / "base")
    clip_processors(path / "base")
