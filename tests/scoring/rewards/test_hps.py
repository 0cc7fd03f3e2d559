"""HPS v2.1: the published checkpoint's layout, and its own way with pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel

from components.core.errors import BadData
from components.scoring.rewards.hps import MEAN, SD, Hps, HpsOptions, fit_square, prepare
from components.scoring.rewards.open_clip_layout import from_open_clip
from tests.scoring.rewards.published import draw, open_clip_shapes, pictures, rows

VIT_H = {
    "image_size": 224, "patch_size": 14, "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
    "num_attention_heads": 16,
}  # fmt: skip
TEXT_H = {
    "vocab_size": 49408, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
    "num_attention_heads": 16, "max_position_embeddings": 77,
}  # fmt: skip

SHAPES = open_clip_shapes()


def hps(weights: Path, checkpoint: Path) -> Hps:
    return Hps(HpsOptions(model=str(checkpoint.parent), file=checkpoint.name, base=str(weights / "base")))


def test_the_mapping_fits_the_published_size() -> None:
    """ViT-H-14 of open_clip, 986 million numbers, is transformers' CLIPModel of that size: each name, each shape."""
    with torch.device("meta"):
        model = CLIPModel(CLIPConfig(text_config=TEXT_H, vision_config=VIT_H, projection_dim=1024))
        published = {name: torch.empty(shape) for name, shape in open_clip_shapes(VIT_H, TEXT_H, 1024).items()}
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert {name: tensor.shape for name, tensor in from_open_clip(published).items()} == wanted
    numbers = sum(tensor.numel() for tensor in published.values())
    assert 2 * numbers == pytest.approx(1.97e9, abs=0.005e9)  # bytes of the published file, in half precision


def test_wide_and_tall_pictures_get_bars(weights: Path) -> None:
    """Numbers of the published code (tgxs002/HPSv2 866735e, torchvision 0.28) on the same weights and pictures."""
    wide, tall = pictures()[0].crop((0, 0, 48, 31)), pictures()[2].crop((0, 0, 21, 40))
    scores = hps(weights, weights / "hps" / "HPS_v2.1_compressed.pt").score([wide, tall], rows()[:2])
    assert [found.reward for found in scores] == pytest.approx([55.853473, -30.476028], rel=1e-5)


def test_bars_are_black_and_the_odd_pixel_is_below_and_right() -> None:
    tall = fit_square(Image.new("RGB", (3, 8), "white"), 8)
    assert tall[0].sum(0).tolist() == [0, 0, 8, 8, 8, 0, 0, 0]
    wide = fit_square(Image.new("RGB", (8, 3), "white"), 8)
    assert wide[0].sum(1).tolist() == [0, 0, 8, 8, 8, 0, 0, 0]


def test_colours_are_those_of_every_clip() -> None:
    grey = prepare([Image.new("RGB", (32, 32), (51, 102, 204))], 32)["pixel_values"]
    means, sds = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    expected = [(c - m) / s for c, m, s in zip((0.2, 0.4, 0.8), means, sds, strict=True)]
    assert grey[0, :, 5, 7].tolist() == pytest.approx(expected, abs=1e-6)
    assert (MEAN.shape, SD.shape) == ((3, 1, 1), (3, 1, 1))


def test_the_score_is_a_hundred_times_the_cosine(weights: Path) -> None:
    for found in hps(weights, weights / "hps" / "HPS_v2.1_compressed.pt").score(pictures(), rows()):
        assert found.reward == pytest.approx(100 * found.parts["cosine"], rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"visual.ln_post.bias": None}, "has no vision_model.post_layernorm.bias"),
        ({"visual.proj": torch.zeros(24, 8)}, r"visual_projection.weight is \[8, 24\], and not \[12, 24\]"),
        ({"score_predictor.layers.0.bias": torch.zeros(1)}, "has a score_predictor.layers.0.bias"),
        (
            {
                name.replace(".1.", ".2."): torch.zeros(shape)
                for name, shape in open_clip_shapes().items()
                if ".1." in name
            },
            r"has a text_model.encoder.layers.2.* which has no place in the model",
        ),
    ],
    ids=["missing", "shape", "extra", "too deep"],
)
def test_another_checkpoint_is_refused(
    weights: Path, tmp_path: Path, change: dict[str, torch.Tensor | None], message: str
) -> None:
    tensors = {**draw(SHAPES), **change}
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    torch.save({"state_dict": kept}, tmp_path / "other.pt")
    with pytest.raises(BadData, match=message):
        hps(weights, tmp_path / "other.pt")


def test_pixels_are_not_rounded() -> None:
    """Between two pixels of 0 and 1 of 255 lies a half: eight bits have none."""
    fine = fit_square(Image.fromarray(np.tile(np.uint8([[0, 1]]), (2, 1)).repeat(3).reshape(2, 2, 3)), 1)
    assert fine.flatten().tolist() == pytest.approx([0.5 / 255] * 3)
