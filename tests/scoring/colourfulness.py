"""A reward of one's own: how colourful a picture is, after Hasler and Suesstrunk (2003)."""

import numpy as np
from pydantic import Field

from components.core.config import Contract


class ColourfulnessOptions(Contract):
    spread: float = Field(default=1.0, ge=0)
    """Weight of the spread of colours against their mean."""


class Colourfulness:
    Options = ColourfulnessOptions

    def __init__(self, options):
        self.spread = options.spread

    def identity(self):
        return {"numpy": np.__version__}

    def score(self, pictures, prompts):
        return [self._one(np.asarray(picture, dtype=float)) for picture in pictures]

    def _one(self, rgb_HWC):
        r, g, b = rgb_HWC[..., 0], rgb_HWC[..., 1], rgb_HWC[..., 2]
        opponents = np.stack([r - g, (r + g) / 2 - b])
        return self.spread * np.hypot(*opponents.std(axis=(1, 2))) + 0.3 * np.hypot(*opponents.mean(axis=(1, 2)))
