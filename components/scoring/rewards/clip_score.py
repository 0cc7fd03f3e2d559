"""How well a picture goes with its prompt, by any CLIP or SigLIP of transformers.

cosine       of the two embeddings, in [-1, 1]
clipscore    2.5 * max(cosine, 0), as in CLIPScore (arXiv 2104.08718); the paper's template: "A photo depicts {prompt}"
probability  that picture and text belong together: sigmoid(scale * cosine + bias) of a SigLIP (arXiv 2303.15343)
"""

from __future__ import annotations

import math
from typing import Literal

from PIL import Image
from pydantic import JsonValue

from components.core import weights
from components.core.config import Contract
from components.core.errors import BadRequest
from components.core.records import PromptRow
from components.scoring.rewards.image_text import ImageTextModel
from components.scoring.rewards.pretrained import Precision, library_versions
from components.scoring.rewards.reward import Score

CLIPSCORE_WEIGHT = 2.5


class ClipScoreOptions(Contract):
    """Which model, and what becomes of its cosine."""

    model: str = "openai/clip-vit-large-patch14"
    """A CLIP, SigLIP or SigLIP 2: a directory in transformers' layout, or a hub id."""
    revision: str | None = None
    """Commit of a hub id. Without one, its files are hashed."""
    template: str = "{prompt}"
    """What the picture is compared with."""
    form: Literal["cosine", "clipscore", "probability"] = "cosine"
    """`probability` needs a SigLIP: a CLIP was never trained to give one."""
    dtype: Precision = "fp32"
    """Precision of the encoders. `fp16` and `bf16` need a GPU, and make another scorer."""


class ClipScore:
    """Cosine, CLIPScore or probability."""

    Options = ClipScoreOptions

    def __init__(self, options: ClipScoreOptions) -> None:
        if "{prompt}" not in options.template:
            raise BadRequest(f"template = {options.template!r} has no {{prompt}} to put the prompt in")
        self._options = options
        self._model = ImageTextModel.load(weights.directory(options.model, options.revision), options.dtype)
        if options.form == "probability" and self._model.bias is None:
            raise BadRequest(f'form = "probability" needs a SigLIP, and {options.model} is a CLIP')

    def identity(self) -> dict[str, JsonValue]:
        """Weights and library versions."""
        return {
            "version": 1,
            "weights": weights.identify(self._options.model, self._options.revision),
            **library_versions("torch", "transformers", "tokenizers", "pillow"),
        }

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """Parts: the cosine; how many tokens were cut off, if any."""
        texts = [self._options.template.replace("{prompt}", prompt.text) for prompt in prompts]
        return [Score(self._reward(like.cosine), like.parts) for like in self._model.compare(pictures, texts)]

    def _reward(self, cosine: float) -> float:
        if self._options.form == "clipscore":
            return CLIPSCORE_WEIGHT * max(cosine, 0.0)
        if self._options.form == "cosine" or self._model.bias is None:
            return cosine
        return _sigmoid(self._model.scale * cosine + self._model.bias)


def _sigmoid(x: float) -> float:
    """
    >>> _sigmoid(0.0), _sigmoid(-1000.0), _sigmoid(1000.0)
    (0.5, 0.0, 1.0)
    """
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
