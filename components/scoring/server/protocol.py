"""What a reward server and its client say to each other: JSON, version 1. docs/reward-server.md is this for people.

    GET  /health      -> Health       anybody may ask
    GET  /identity    -> Identity     who scores, and how much it takes at once
    POST /v1/score    ScoreRequest -> ScoreAnswer
    any refusal       -> Failure      with the HTTP status that fits

A picture travels as a PNG in base64, with the digest of its pixels; nothing is ever pickled. A score that could not be
had is null, and never 0.
"""

from __future__ import annotations

import hashlib
import io
from typing import Annotated, Literal

from PIL import Image, UnidentifiedImageError
from pydantic import AllowInfNan, Base64Bytes, Field, JsonValue

from components.core.config import Contract
from components.core.errors import BadData, BadRequest
from components.core.records import PromptRow
from components.scoring.rewards.reward import Score

VERSION: Literal[1] = 1
"""Of this schema. A server of another version is refused when a step begins."""
TOKEN_VARIABLE = "DDPO_REWARD_TOKEN"
"""The shared secret of server and client; it is sent as `Authorization: Bearer <token>`."""
MAX_SIDE = 4096
"""Pixels. A small file can hold a huge picture."""
FAST = 1
"""zlib level: a third of the time of the default, for files a tenth larger."""


class Health(Contract):
    """The reward is loaded and answers."""

    status: Literal["ok"] = "ok"


class Limits(Contract):
    """What one request may hold; the client stays below it."""

    pictures: int = Field(default=64, ge=1)
    """Pictures."""
    megabytes: int = Field(default=128, ge=1)
    """Size of the body in MB of 10^6 bytes. 64 noise pictures of 512 px are 67 MB, drawings a tenth of it."""


class Identity(Contract):
    """Who scores."""

    version: Literal[1] = VERSION
    name: str
    """Name of the reward on the server."""
    scorer_id: str
    """Equal ids mean equal scores for equal pictures. It stands in every answer, and must not change."""
    description: dict[str, JsonValue] = {}
    """What the id is a digest of: options, weights, versions of libraries."""
    limits: Limits = Limits()


class Asked(Contract):
    """One picture to score."""

    prompt: PromptRow
    picture_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the decoded pixels: RGB, height x width x 3 bytes."""
    file_format: str | None = Field(default=None, max_length=20)
    """Format of the file that the picture was read from; None is one that never was a file. A JPEG that travels as a
    PNG is still no lossless picture."""
    png: Base64Bytes
    """The picture, losslessly."""


class ScoreRequest(Contract):
    """A batch of pictures."""

    version: Literal[1] = VERSION
    pictures: tuple[Asked, ...] = Field(min_length=1)


class Answered(Contract):
    """What one picture got."""

    sample_id: str
    picture_sha256: str
    """Both as they were asked: an answer for another picture, or in another order, is refused."""
    reward: Annotated[float, AllowInfNan(True)] | None
    """None is missing. The client takes NaN and infinity for missing too."""
    parts: dict[str, JsonValue] = {}
    """What the reward was made of."""
    error: str | None = None
    """Why it is missing."""


class ScoreAnswer(Contract):
    """One score for each picture, in the order of the request."""

    version: Literal[1] = VERSION
    scorer_id: str
    """Who scored these."""
    scores: tuple[Answered, ...]


class Failure(Contract):
    """Why there is no answer."""

    error: str
    """One line."""
    exit_code: int | None = None
    """Of `components.core.errors`, where the reward itself ended with one: 64, 65 and 66 are final."""


def pack(picture: Image.Image, prompt: PromptRow) -> Asked:
    """A picture and its prompt, ready to travel."""
    rgb = picture.convert("RGB")
    file = io.BytesIO()
    rgb.save(file, format="PNG", compress_level=FAST)
    # model_construct: Base64Bytes decodes what it is given, and there is nothing to decode here
    return Asked.model_construct(
        prompt=PromptRow(**{name: getattr(prompt, name) for name in PromptRow.model_fields}),
        picture_sha256=pixels_sha256(rgb),
        file_format=picture.format,
        png=file.getvalue(),
    )


def unpack(asked: Asked) -> Image.Image:
    """The picture, with the `format` of the file it was read from.

    Raises BadData if it is no PNG or shows other pixels, BadRequest if it is too large.
    """
    name = asked.prompt.sample_id
    try:
        with Image.open(io.BytesIO(asked.png), formats=["PNG"]) as file:
            if max(file.size) > MAX_SIDE:
                raise BadRequest(f"{name} is {file.size[0]} x {file.size[1]} pixels, and at most {MAX_SIDE} may be")
            picture = file.convert("RGB")
    except Image.DecompressionBombError:
        raise BadRequest(f"{name} has too many pixels: at most {MAX_SIDE} x {MAX_SIDE} may be") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise BadData(f"{name} is no PNG: {error}") from None
    if pixels_sha256(picture) != asked.picture_sha256:
        raise BadData(f"{name} does not show the pixels of its picture_sha256")
    picture.format = asked.file_format
    return picture


def pixels_sha256(rgb: Image.Image) -> str:
    """Digest of an RGB picture's pixels: the `picture_sha256` of a sample's row."""
    return hashlib.sha256(rgb.tobytes()).hexdigest()


def answered(asked: Asked, score: Score) -> Answered:
    """A score, as it travels."""
    return Answered(
        sample_id=asked.prompt.sample_id,
        picture_sha256=asked.picture_sha256,
        reward=score.reward,
        parts=score.parts,
        error=score.error,
    )
