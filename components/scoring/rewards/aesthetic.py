"""LAION's aesthetic predictor: what people would give a picture, from 1 to 10. The prompt has no say.

As in DDPO (arXiv 2305.13301): the embedding of openai/clip-vit-large-patch14, of norm 1, into the published head
`sac+logos+ava1-l14-linearMSE.pth` of christophschuhmann/improved-aesthetic-predictor; in single precision.
"""

# N pictures · D size of an embedding
from __future__ import annotations

import torch
from PIL import Image
from pydantic import JsonValue
from transformers import CLIPModel

from components.core import weights
from components.core.config import Contract
from components.core.records import PromptRow
from components.scoring.rewards.image_text import picture_processor, unit
from components.scoring.rewards.pretrained import library_versions, load_model, read_tensors
from components.scoring.rewards.regression_head import load_regression_head
from components.scoring.rewards.reward import Score


class AestheticOptions(Contract):
    """Which weights."""

    model: str = "openai/clip-vit-large-patch14"
    """CLIP whose embeddings the head was trained on: a directory in transformers' layout, or a hub id."""
    revision: str | None = None
    """Commit of a hub id. Without one, its files are hashed."""
    head: str = "trl-lib/ddpo-aesthetic-predictor"
    """Where the head is: a directory, or a hub id. The default is the published file under another name."""
    head_revision: str | None = None
    """Commit of a hub id. Without one, its files are hashed."""
    head_file: str = "aesthetic-model.pth"
    """The head's file there: published as `sac+logos+ava1-l14-linearMSE.pth`; or `.safetensors`, same names."""


class Aesthetic:
    """The head's number."""

    Options = AestheticOptions

    def __init__(self, options: AestheticOptions) -> None:
        self._options = options
        head = weights.directory(options.head, options.head_revision, holds=options.head_file) / options.head_file
        directory = weights.directory(options.model, options.revision)
        self._clip = load_model(CLIPModel, directory)
        del self._clip.text_model  # nothing is read
        self._prepare = picture_processor(directory)
        width = self._clip.config.projection_dim
        self._head = load_regression_head(read_tensors(head), width, head, self._clip.device)

    def identity(self) -> dict[str, JsonValue]:
        """Both weights, and library versions."""
        options = self._options
        return {
            "version": 1,
            "clip": weights.identify(options.model, options.revision),
            "head": weights.identify(options.head, options.head_revision, holds=options.head_file),
            **library_versions("torch", "transformers", "pillow"),
        }

    @torch.inference_mode()
    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """One number a picture."""
        if not pictures:
            return []
        pixels = self._prepare(pictures)["pixel_values"].to(self._clip.device)
        embedding_ND = unit(self._clip.get_image_features(pixel_values=pixels).pooler_output).float()
        return [Score(number) for number in self._head(embedding_ND).squeeze(-1).tolist()]
