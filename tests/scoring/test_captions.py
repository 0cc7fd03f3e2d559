"""Right captions beat wrong ones, for every prompt of the table, with the text encoder that is in the repository."""

from __future__ import annotations

import pytest

from tests.scoring.caption_table import Line, read, score

LINES = read()
PROMPTS = list(dict.fromkeys(line.prompt for line in LINES))


@pytest.fixture(scope="module")
def scores() -> dict[Line, tuple[float, float, float]]:
    return dict(zip(LINES, score(LINES), strict=True))


def test_the_table_is_wide_enough() -> None:
    """24 prompts, each with at least two right captions and two wrong ones."""
    assert len(PROMPTS) == 24
    for prompt in PROMPTS:
        verdicts = [line.right for line in LINES if line.prompt == prompt]
        assert verdicts.count(True) >= 2
        assert verdicts.count(False) >= 2


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_right_caption_beats_every_wrong_one(scores: dict[Line, tuple[float, float, float]], prompt: str) -> None:
    """By recall, the reward: half of what was asked for, another animal doing it, or the words in another order."""
    recalls = {line: scores[line][1] for line in LINES if line.prompt == prompt}
    worst = min((line for line in recalls if line.right), key=recalls.__getitem__)
    best = max((line for line in recalls if not line.right), key=recalls.__getitem__)
    assert recalls[worst] > recalls[best] + 0.01, f"{worst.caption!r} against {best.caption!r}"


def test_the_scores_are_pinned(scores: dict[Line, tuple[float, float, float]]) -> None:
    """Another library version, or other weights, that score otherwise are another scorer: none comes unseen."""
    for line in LINES:
        assert scores[line] == pytest.approx(line.pinned, abs=2e-4), f"{line.caption!r} for {line.prompt!r}"
