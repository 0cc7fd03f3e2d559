"""PickScore (arXiv 2305.01569): a CLIP ViT-H trained on which of two pictures people picked for a prompt.

The published yuvalkirstain/PickScore_v1 is a CLIP of transformers; the score is exp(logit_scale) * cosine. Only
differences between pictures of one prompt mean anything: the softmax of their scores is the chance of being picked.
"""

from __future__ import annotations

from PIL import Image
from pydantic import JsonValue

from components.core import weights
from components.core.config import Contract
from components.core.records import PromptRow
from components.scoring.rewards.image_text import ImageTextModel
from components.scoring.rewards.pretrained import Precision, library_versions
from components.scoring.rewards.reward import Score


class PickScoreOptions(Contract):
    """Which weights."""

    model: str = "yuvalkirstain/PickScore_v1"
    """The published weights: a directory in transformers' layout, or a hub id."""
    revision: str | None = None
    """Commit of a hub id. Without one, its files are hashed."""
    processors: str = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
    """Tokenizer and picture processor, as published: a directory, or a hub id. Its weights are not read."""
    processors_revision: str | None = None
    """Commit of a hub id. Without one, its files are hashed."""
    dtype: Precision = "fp32"
    """Precision of the encoders. `fp16` and `bf16` need a GPU, and make another scorer."""


class PickScore:
    """exp(logit_scale) * cosine."""

    Options = PickScoreOptions

    def __init__(self, options: PickScoreOptions) -> None:
        self._options = options
        directory = weights.directory(options.model, options.revision)
        processors = weights.directory(
            options.processors, options.processors_revision, holds="preprocessor_config.json"
        )
        self._model = ImageTextModel.load(directory, options.dtype, processors=processors)
        self._scale = self._model.scale

    def identity(self) -> dict[str, JsonValue]:
        """Weights, processors and library versions."""
        options = self._options
        holds = "preprocessor_config.json"
        return {
            "version": 1,
            "weights": weights.identify(options.model, options.revision),
            "processors": weights.identify(options.processors, options.processors_revision, holds=holds),
            **library_versions("torch", "transformers", "tokenizers", "pillow"),
        }

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """Parts: the cosine; how many tokens were cut off, if any."""
        likenesses = self._model.compare(pictures, [prompt.text for prompt in prompts])
        return [Score(self._scale * likeness.cosine, likeness.parts) for likeness in likenesses]
