"""Rows that pass between steps, as JSON Lines: readable, byte-stable, and checked on the way in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from components.core.config import Contract
from components.core.contracts import canonical_json
from components.core.errors import BadData

HELD_OUT = "held_out"
"""The split that decides: reinforcement learning saw no part of its prompts. Splits named like it are not drawn."""


class PromptRow(Contract):
    """One picture to draw."""

    prompt_id: str
    """Slug of the text: `a-cat-riding-a-bike`."""
    index: int
    """Which picture of this prompt, from 0, within the iteration or the evaluation set."""
    text: str
    split: str
    """`train`, or a split of the evaluation set: `seen`, `held_out`, `held_out_activity`, ..."""
    animal: str | None = None
    activity: str | None = None
    count: int | None = None

    @property
    def sample_id(self) -> str:
        """Names the picture and its rows."""
        return f"{self.prompt_id}-{self.index:03d}"


class SampleRow(PromptRow):
    """One picture that was drawn. Row i of a shard is row i of its trajectories."""

    seed: int
    picture_sha256: str
    """Of the decoded pixels (RGB, height x width x 3 bytes), so that a re-encoding does not change it."""
    kl_to_base: float | None = None
    """Path KL to the base, nats: sum over steps and latent of |mu - mu_base|^2 / (2 sigma^2)."""

    @property
    def picture(self) -> str:
        """Path of the picture within its commit."""
        return f"pictures/{self.sample_id}.png"


class RewardRow(Contract):
    """One picture, one scorer."""

    sample_id: str
    prompt_id: str
    index: int
    split: str
    scorer: str
    """Name of the scorer, as in the config."""
    scorer_id: str
    """Identity of the scorer: two ids never mix in one history."""
    reward: float | None
    """None is missing, and never 0."""
    parts: dict[str, JsonValue] = {}
    """What the reward was made of: a caption, a probability, a size in bytes."""
    error: str | None = None
    """Why the reward is missing."""


def too_many_missing(missing: int, rows: int) -> bool:
    """Above 5 % a scorer is taken to be away: the step waits instead of going on with the rest.

    >>> too_many_missing(1, 20), too_many_missing(2, 20)
    (False, True)
    """
    return missing * 20 > rows


Row = TypeVar("Row", bound=Contract)


def dump_rows(rows: Iterable[Contract]) -> bytes:
    """One canonical JSON object a line."""
    return b"".join(canonical_json(row.model_dump(mode="json")) + b"\n" for row in rows)


def load_rows(data: bytes, row_type: type[Row], *, source: str = "rows") -> list[Row]:
    """Parse and check every line. Raises BadData naming the source and the line."""
    rows = []
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            rows.append(row_type.model_validate_json(line))
        except ValidationError as error:
            raise BadData(f"{source}, line {number}: not a {row_type.__name__}: {error.errors()[0]['msg']}") from None
    return rows
