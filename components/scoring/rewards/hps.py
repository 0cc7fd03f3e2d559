"""HPS v2.1 (arXiv 2306.09341): a CLIP ViT-H trained on which pictures people like better for a prompt.

Published as a checkpoint of open_clip's ViT-H-14; it is read into transformers' CLIPModel. The score is 100 * cosine,
as in the published benchmark, where models get 13 to 34. Only pictures of one prompt can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from pydantic import JsonValue
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from components.core import weights
from components.core.config import Contract
from components.core.records import PromptRow
from components.scoring.rewards.image_text import ImageTextModel, text_processor
from components.scoring.rewards.open_clip_layout import from_open_clip
from components.scoring.rewards.pretrained import Precision, fill_model, library_versions, read_config, read_tensors
from components.scoring.rewards.reward import Score

MEAN, SD = (torch.tensor(numbers)[:, None, None] for numbers in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
"""Of the colours, [3, 1, 1]: those of every CLIP."""


class HpsOptions(Contract):
    """Which weights."""

    model: str = "xswu/HPSv2"
    """Where the published checkpoint is: a directory, or a hub id."""
    revision: str | None = None
    """Commit of a hub id. Without one, its files are hashed."""
    file: str = "HPS_v2.1_compressed.pt"
    """The checkpoint's file there. `HPS_v2_compressed.pt` is v2.0: its scores cannot be compared with v2.1's."""
    base: str = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
    """The ViT-H-14 that it was trained from: its config and tokenizer. Its weights are not read."""
    base_revision: str | None = None
    """Commit of a hub id. Without one, its files are hashed."""
    dtype: Precision = "fp32"
    """Precision of the encoders. `fp16` and `bf16` need a GPU, and make another scorer."""


class Hps:
    """100 * cosine."""

    Options = HpsOptions

    def __init__(self, options: HpsOptions) -> None:
        self._options = options
        checkpoint = weights.directory(options.model, options.revision, holds=options.file) / options.file
        base = weights.directory(options.base, options.base_revision)
        config = read_config(CLIPConfig, base)
        tensors = from_open_clip(read_tensors(checkpoint))
        model = fill_model(CLIPModel, config, tensors, checkpoint, options.dtype)
        side: int = config.vision_config.image_size
        self._model = ImageTextModel(model, lambda pictures: prepare(pictures, side), text_processor(base))

    def identity(self) -> dict[str, JsonValue]:
        """Weights, base and library versions."""
        options = self._options
        return {
            "version": 1,
            "weights": weights.identify(options.model, options.revision, holds=options.file),
            "base": weights.identify(options.base, options.base_revision),
            **library_versions("torch", "transformers", "tokenizers", "pillow"),
        }

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """Parts: the cosine; how many tokens were cut off, if any."""
        likenesses = self._model.compare(pictures, [prompt.text for prompt in prompts])
        return [Score(100 * likeness.cosine, likeness.parts) for likeness in likenesses]


def prepare(pictures: Sequence[Image.Image], side: int) -> dict[str, torch.Tensor]:
    """`pixel_values` [N, 3, side, side] as published: otherwise than every other CLIP, twice.

    Pixels are not rounded to 8 bits after the bicubic resize (antialiased, as torchvision does since 0.17), and what is
    not square gets black bars; the others cut the ends off.
    """
    normalised = [(fit_square(picture, side) - MEAN) / SD for picture in pictures]
    return {"pixel_values": torch.stack(normalised)}


def fit_square(picture: Image.Image, side: int) -> torch.Tensor:
    """Colours in [0, 1] but for overshoot, [3, side, side]: the longer side fits, the rest is 0.

    >>> fit_square(Image.new("RGB", (64, 32), "white"), 4)[0].round().tolist()
    [[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
    """
    colours = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).float() / 255
    scale = side / max(picture.size)
    if scale != 1:
        size = [round(length * scale) for length in colours.shape[1:]]
        colours = functional.interpolate(colours[None], size=size, mode="bicubic", antialias=True)[0]
    above, left = ((side - length) // 2 for length in colours.shape[1:])
    padding = (left, side - colours.shape[2] - left, above, side - colours.shape[1] - above)
    return functional.pad(colours, padding)
