"""Compressibility and incompressibility: minus and plus the size of a picture as JPEG, in kB of 1000 bytes.

After DDPO (arXiv 2305.13301): JPEG of quality 95. The encoder's settings and version belong to the reward's identity:
another chroma subsampling is another reward (a noise picture of 32 px: 1835 bytes at 4:2:0, 3124 at 4:4:4).
"""

from __future__ import annotations

import io
from typing import Literal

import PIL
from PIL import Image, features
from pydantic import Field, JsonValue

from components.core.config import Contract
from components.core.errors import BadData
from components.core.records import PromptRow
from components.scoring.rewards.reward import Score

LOSSLESS = (None, "PNG", "BMP", "PPM")
"""Formats whose pixels are those that were drawn; None is a picture that never was a file."""


class JpegOptions(Contract):
    """Settings of the encoder."""

    quality: int = Field(default=95, ge=1, le=95)
    """The paper's is 95. Beyond it most of the quantisation is off, and the size says little."""
    subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] = "4:2:0"
    """Resolution of colour against brightness. 4:2:0 is what Pillow does of its own accord."""


class JpegIncompressibility:
    """Plus the size, kB."""

    Options = JpegOptions
    sign = 1

    def __init__(self, options: JpegOptions) -> None:
        self.options = options

    def identity(self) -> dict[str, JsonValue]:
        """The encoder: its name and version. Sizes may differ between versions."""
        turbo = features.version("libjpeg_turbo")
        return {
            "version": 1,
            "pillow": PIL.__version__,
            "libjpeg": f"turbo-{turbo}" if turbo else features.version("jpg"),
            "optimize": False,
            "progressive": False,
        }

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """Raises BadData for a picture from a lossy file: its size says what was thrown away before."""
        scores = []
        for picture, prompt in zip(pictures, prompts, strict=True):
            if picture.format not in LOSSLESS:
                raise BadData(f"{prompt.sample_id} is a {picture.format} file: a JPEG size needs the lossless picture")
            size = jpeg_bytes(picture, self.options)
            scores.append(Score(self.sign * size / 1000, {"bytes": size}))
        return scores


class JpegCompressibility(JpegIncompressibility):
    """Minus the size, kB."""

    sign = -1


def jpeg_bytes(picture: Image.Image, options: JpegOptions) -> int:
    """Size of the file: pixels only, none of the comments, profiles or dates that a picture may carry."""
    pixels = picture.convert("RGB")
    bare = Image.frombytes("RGB", pixels.size, pixels.tobytes())
    file = io.BytesIO()
    bare.save(
        file,
        format="JPEG",
        quality=options.quality,
        subsampling=options.subsampling,
        optimize=False,
        progressive=False,
    )
    return file.tell()
