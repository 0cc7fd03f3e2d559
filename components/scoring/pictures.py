"""The pictures of a shard, decoded once for all scorers and checked against what the sampler drew.

A batch is read and decoded while the scorers are busy with the one before.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from PIL import Image, UnidentifiedImageError

from components.core.errors import BadData
from components.core.records import SampleRow
from components.core.store import Committed

READERS = 4
"""Threads that read and decode: a store answers slowly, and decoders let go of the interpreter."""

Batch = tuple[list[SampleRow], list[Image.Image]]


def read_pictures(shard: Committed, samples: list[SampleRow], size: int) -> Iterator[Batch]:
    """Batches of `size` rows with their pictures, in order. Raises BadData, naming the file that is not right."""
    batches = [samples[start : start + size] for start in range(0, len(samples), size)]
    with ThreadPoolExecutor(READERS) as readers:
        coming: Iterator[Image.Image] = iter(())
        for rows, following in pairwise([[], *batches, []]):
            pictures = list(coming)  # waits for its own batch; map() below begins the next one at once
            coming = readers.map(lambda row: read_picture(shard, row), following)
            if rows:
                yield rows, pictures


def read_picture(shard: Committed, row: SampleRow) -> Image.Image:
    """One picture as RGB; its `format` stays that of the file, so that a reward can refuse a lossy one."""
    place = f"{shard.prefix}: {row.picture}"
    try:
        picture = Image.open(io.BytesIO(shard.read(row.picture)))
        rgb = picture.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise BadData(f"{place} is no picture: {error}") from None
    if hashlib.sha256(rgb.tobytes()).hexdigest() != row.picture_sha256:
        raise BadData(f"{place} does not show the pixels that were drawn (picture_sha256 of its row)")
    rgb.format = picture.format
    return rgb
