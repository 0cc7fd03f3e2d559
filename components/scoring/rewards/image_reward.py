"""ImageReward (arXiv 2304.05977): a BLIP that reads the prompt while it looks at the picture, and a head on its [CLS].

The published checkpoint ImageReward.pt is read into transformers' BlipVisionModel and BlipTextModel. The number is
standardised as published: mean 0 and sd 1 over the pictures that people ranked.
"""

# N pictures
from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from pydantic import JsonValue
from transformers import BlipTextModel, BlipVisionModel, CLIPImageProcessorPil

from components.core import weights
from components.core.config import Contract
from components.core.errors import BadData
from components.core.records import PromptRow
from components.scoring.rewards.blip_layout import from_blip_vision, read_med_config, vision_config
from components.scoring.rewards.image_text import cut_tokens, text_processor, tokenize, truncation
from components.scoring.rewards.pretrained import Precision, Tensors, fill_model, library_versions, read_tensors
from components.scoring.rewards.regression_head import load_regression_head
from components.scoring.rewards.reward import Score

MEAN, SD = 0.16717362830052426, 1.0333394966054072
"""Of the head's numbers over the published training set (THUDM/ImageReward c1392c6, ImageReward.py)."""
LONGEST = 35
"""Tokens of a prompt that are read, [CLS] and [SEP] included, as published."""
UNUSED = ("blip.vision_proj.", "blip.text_proj.", "blip.text_encoder.embeddings.position_ids")
"""What the checkpoint carries along, and nothing reads: BLIP's contrastive projections, and a list of 0, 1, 2, ..."""


class ImageRewardOptions(Contract):
    """Which weights."""

    model: str = "zai-org/ImageReward"
    """Where the published checkpoint and med_config.json are: a directory, or a hub id (once THUDM/ImageReward)."""
    revision: str | None = None
    """Commit of a hub id. Without one, its files are hashed."""
    file: str = "ImageReward.pt"
    """The checkpoint's file there."""
    tokenizer: str = "google-bert/bert-base-uncased"
    """BERT's tokenizer, as published: a directory, or a hub id. Its weights are not read."""
    tokenizer_revision: str | None = None
    """Commit of a hub id. Without one, its files are hashed."""
    dtype: Precision = "fp32"
    """Precision of the encoders; the head stays in single. `fp16`, `bf16` need a GPU, and make another scorer."""


class ImageReward:
    """The head's number, standardised."""

    Options = ImageRewardOptions

    def __init__(self, options: ImageRewardOptions) -> None:
        self._options = options
        directory = weights.directory(options.model, options.revision, holds=options.file)
        words = weights.directory(options.tokenizer, options.tokenizer_revision, holds="tokenizer_config.json")
        checkpoint = directory / options.file
        vision, text, head = split_checkpoint(read_tensors(checkpoint), checkpoint)
        config = vision_config(vision, checkpoint)
        self._eyes = fill_model(BlipVisionModel, config, from_blip_vision(vision), checkpoint, options.dtype)
        text_config = read_med_config(directory / "med_config.json", config.hidden_size)
        self._reader = fill_model(BlipTextModel, text_config, text, checkpoint, options.dtype, add_pooling_layer=False)
        self._head = load_regression_head(head, text_config.hidden_size, checkpoint, self._eyes.device)
        side = config.image_size
        self._processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
        self._tokenizer = text_processor(words)

    def identity(self) -> dict[str, JsonValue]:
        """Weights, tokenizer and library versions."""
        options = self._options
        words = weights.identify(options.tokenizer, options.tokenizer_revision, holds="tokenizer_config.json")
        return {
            "version": 1,
            "weights": weights.identify(options.model, options.revision, holds=options.file),
            "tokenizer": words,
            **library_versions("torch", "transformers", "tokenizers", "pillow"),
        }

    @torch.inference_mode()
    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """Parts: how many tokens were cut off, if any."""
        if not pictures:
            return []
        texts = [prompt.text for prompt in prompts]
        pixels = self._processor(pictures, return_tensors="pt").pixel_values.to(self._eyes.device, self._eyes.dtype)
        tokens = tokenize(self._tokenizer, texts, LONGEST)
        read = self._reader(
            input_ids=tokens["input_ids"].to(self._reader.device),
            attention_mask=tokens["attention_mask"].to(self._reader.device),
            encoder_hidden_states=self._eyes(pixel_values=pixels).last_hidden_state,
        )
        number_N = self._head(read.last_hidden_state[:, 0].float()).squeeze(-1).tolist()
        cut_N = cut_tokens(self._tokenizer, texts, LONGEST)
        return [Score((number - MEAN) / SD, truncation(cut)) for number, cut in zip(number_N, cut_N, strict=True)]


def split_checkpoint(tensors: Tensors, place: Path) -> tuple[dict[str, torch.Tensor], ...]:
    """Tensors of the picture encoder, the text encoder and the head. Raises BadData for what is none of them."""
    stems = ("blip.visual_encoder.", "blip.text_encoder.", "mlp.")
    sorted_out: dict[str, dict[str, torch.Tensor]] = {stem: {} for stem in stems}
    for name, tensor in tensors.items():
        stem = next((stem for stem in stems if name.startswith(stem)), None)
        if name.startswith(UNUSED):
            continue
        if stem is None:
            raise BadData(f"{place} has a {name}, which has no place in the model")
        sorted_out[stem][name.removeprefix(stem)] = tensor
    return tuple(sorted_out.values())
