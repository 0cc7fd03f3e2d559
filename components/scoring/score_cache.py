"""Scores that were had before, by picture, scorer and prompt: asked for in a step's retry, a rescoring, a later run.

DDPO_SCORE_CACHE names a directory of this machine's own disk; where it is unset nothing is kept. Equal scorer ids mean
equal scores for equal pictures, so a score that is found changes no row: the step commits the same bytes. A missing
score is never kept. The cache never decides anything either: where it cannot be used, the scorers are asked.

One SQLite file, which processes share; it grows by about 300 bytes a score and is never pruned: to empty it, remove it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from PIL import Image

from components.core.contracts import canonical_json
from components.core.records import PromptRow, SampleRow
from components.scoring.rewards.reward import Score

log = logging.getLogger(__name__)

VARIABLE = "DDPO_SCORE_CACHE"
FILE = "scores.sqlite"
PATIENCE = 30.0
"""Seconds to wait while another process writes."""


def from_environment() -> ScoreCache | None:
    """The cache of this machine; None where nobody asked for one."""
    place = os.environ.get(VARIABLE)
    return ScoreCache(Path(place).expanduser()) if place else None


Done = TypeVar("Done")


class ScoreCache:
    """Scores in a directory."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE

    def find(self, scorer_id: str, samples: Sequence[SampleRow], pictures: Sequence[Image.Image]) -> list[Score | None]:
        """The score of each picture, in order; None for one that is not known."""
        keys = _keys(scorer_id, samples, pictures)
        query = f"SELECT key, score FROM scores WHERE key IN ({','.join('?' * len(keys))})"
        found = dict(self._transaction(lambda connection: connection.execute(query, keys).fetchall()) or ())
        return [Score(**json.loads(found[key])) if key in found else None for key in keys]

    def keep(
        self, scorer_id: str, samples: Sequence[SampleRow], pictures: Sequence[Image.Image], scores: Sequence[Score]
    ) -> None:
        """Keep the scores that are there."""
        had = zip(_keys(scorer_id, samples, pictures), scores, strict=True)
        rows = [(key, canonical_json(asdict(score)).decode()) for key, score in had if score.reward is not None]
        self._transaction(lambda connection: connection.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?)", rows))

    def _transaction(self, work: Callable[[sqlite3.Connection], Done]) -> Done | None:
        """Work in a connection of its own: processes fork, and threads come and go. A warning where it fails."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._file, timeout=PATIENCE)) as connection, connection:
                connection.execute("CREATE TABLE IF NOT EXISTS scores (key TEXT PRIMARY KEY, score TEXT) WITHOUT ROWID")
                return work(connection)
        except (OSError, sqlite3.Error) as error:
            log.warning("%s: no score is looked up or kept: %s", self._file, error)
            return None


def _keys(scorer_id: str, samples: Sequence[SampleRow], pictures: Sequence[Image.Image]) -> list[str]:
    """A digest of all that a reward is shown: pixels, size, the format of their file, and the prompt's whole row."""
    return [
        hashlib.sha256(
            canonical_json(
                {
                    "version": 2,  # of what is kept
                    "scorer_id": scorer_id,
                    "pixels": sample.picture_sha256,
                    "size": list(picture.size),
                    "format": picture.format,
                    "prompt": {name: getattr(sample, name) for name in PromptRow.model_fields},
                }
            )
        ).hexdigest()
        for sample, picture in zip(samples, pictures, strict=True)
    ]
