"""The control of an experiment: real rewards, dealt out at random, so that nothing can be learnt from them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from PIL import Image
from pydantic import JsonValue

from components.core.config import Contract
from components.core.records import PromptRow
from components.scoring.rewards.jpeg import JpegIncompressibility
from components.scoring.rewards.reward import Score


class ShuffledIncompressibility:
    """jpeg_incompressibility, its scores permuted among the pictures of a batch; the pictures are the seed."""

    class Options(Contract):
        """None."""

    def __init__(self, options: Options) -> None:
        self._real = JpegIncompressibility(JpegIncompressibility.Options())

    def identity(self) -> dict[str, JsonValue]:
        """The real reward's, and that it is shuffled."""
        return {**self._real.identity(), "shuffled": 1}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> Sequence[Score | float | None]:
        """The batch's real scores in another order."""
        scores = list(self._real.score(pictures, prompts))
        digest = hashlib.sha256(b"".join(picture.tobytes() for picture in pictures)).digest()
        random.Random(digest).shuffle(scores)
        return scores
