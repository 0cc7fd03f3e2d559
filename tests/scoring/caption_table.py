"""Captions, right and wrong, with the score that each gets: `captions.tsv`, one a line.

`python -m tests.scoring.caption_table` writes the scores anew, for a text encoder that was trained again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from components.scoring.rewards.text_similarity import TextSimilarity

TABLE = Path(__file__).with_name("captions.tsv")
COLUMNS = ("prompt", "verdict", "caption", "precision", "recall", "f1")


@dataclass(frozen=True)
class Line:
    """A caption of a picture that should show the prompt."""

    prompt: str
    right: bool
    caption: str
    pinned: tuple[float, float, float]
    """Precision, recall, F1 of the caption against "The image contains {prompt}"."""


def read() -> list[Line]:
    """All lines, in order."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        Line(
            row["prompt"],
            row["verdict"] == "right",
            row["caption"],
            (float(row["precision"]), float(row["recall"]), float(row["f1"])),
        )
        for row in rows
    ]


def score(lines: Iterable[Line]) -> list[tuple[float, float, float]]:
    """Precision, recall and F1 of each, by the embedded encoder and the reward's own sentence."""
    lines = list(lines)
    similarity = TextSimilarity("tiny")
    found = similarity.compare([ln.caption for ln in lines], [f"The image contains {ln.prompt}" for ln in lines])
    return [(each["precision"], each["recall"], each["f1"]) for each in found]


def main() -> None:
    """Write the scores anew."""
    lines = read()
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(COLUMNS)
        for line, found in zip(lines, score(lines), strict=True):
            verdict = "right" if line.right else "wrong"
            table.writerow([line.prompt, verdict, line.caption, *(f"{x:.4f}" for x in found)])


if __name__ == "__main__":
    main()
