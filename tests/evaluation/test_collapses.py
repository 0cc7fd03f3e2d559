"""Pictures ruined on purpose are flagged, by the name of what was done to them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmarks.calibration.collapses import Collapse, collapses
from components.core.contracts import Signal
from components.evaluation import statistics
from components.evaluation.limits import Limit
from components.evaluation.signals.all import all_signals
from components.evaluation.tables import ScoredPolicy
from tests.evaluation.scored import evidence, scored
from tests.evaluation.synthetic_run import HELD_OUT, draw_animal

SEEDS = 4
PROMPTS = [f"owl-{animal}" for animal in HELD_OUT]
LIMITS = {
    **{f"statistic:{name}": Limit(warn=0.5, fail=1.0) for name in statistics.NAMES},
    **{f"diversity:{name}": Limit(warn=0.7, fail=0.4) for name in ("within_prompt", "between_prompts")},
    "text_area": Limit(warn=0.1, fail=0.2),
}
"""As wide as those of a real table: a standard deviation of the pictures, less than half of the diversity."""


def drawn() -> list[Image.Image]:
    """Synthetic animals, prompt by prompt."""
    return [draw_animal(animal, seed, 0.0) for animal in HELD_OUT for seed in range(SEEDS)]


def judged(pictures: list[Image.Image]) -> ScoredPolicy:
    """A judge that sees a picture as 48 numbers, its 4 x 4 colours less their mean; a reward with no say in them."""
    small = [np.asarray(picture.resize((4, 4), Image.Resampling.BOX), dtype=float).ravel() for picture in pictures]
    seen = [vector - 127 for vector in small]
    rows = [
        {"embedding": (vector / np.linalg.norm(vector)).tolist(), "text_area": white_bands(picture)}
        for vector, picture in zip(seen, pictures, strict=True)
    ]
    by_prompt = {prompt: rows[SEEDS * n : SEEDS * (n + 1)] for n, prompt in enumerate(PROMPTS)}
    luck = np.random.default_rng(11).permutation(len(pictures)).reshape(-1, SEEDS)
    reward = {prompt: luck[n].astype(float).tolist() for n, prompt in enumerate(PROMPTS)}
    right = {prompt: [1.0] * SEEDS for prompt in PROMPTS}
    return scored({"r": reward, "j": right, "text_masked": reward}, parts={"j": by_prompt, "text_masked": by_prompt})


def white_bands(picture: Image.Image) -> float:
    """A stand-in for a text detector: the share of pure white, which bands under painted words are."""
    return float(np.mean(np.asarray(picture).min(axis=2) == 255))


def flagged(pictures: list[Image.Image]) -> dict[str, Signal]:
    """Signals that fail with a vote."""
    base = drawn()
    tables = tuple(statistics.table([statistics.of_picture(p) for p in some]) for some in (pictures, base))
    found = evidence(
        judged(pictures), judged(base), probes=("text_masked",), statistics_of=(tables[0], tables[1]), limits=LIMITS
    )
    return {signal.name: signal for signal in all_signals(found) if signal.votes and signal.level == "fail"}


@pytest.mark.parametrize(
    "collapse",
    [c for c in collapses(SEEDS) if c.name not in ("brightness x0.9", "brightness x1.1")],
    ids=lambda c: c.name,
)
def test_a_collapse_is_flagged_by_name(collapse: Collapse):
    assert set(collapse.signals) & set(flagged(collapse.ruin(drawn())))


def test_sound_pictures_are_not_flagged():
    assert flagged(drawn()) == {}


def test_grey_pictures_have_lost_everything_that_can_be_lost():
    """No colours, no contrast, and neither seed nor prompt makes a difference."""
    assert {"statistic:colour_entropy", "statistic:contrast", "diversity:within_prompt"} <= set(
        flagged(collapses(SEEDS)[0].ruin(drawn()))
    )


def test_one_picture_a_prompt_keeps_the_prompts_apart():
    """Only the variety within a prompt is gone."""
    of_name = {c.name: c for c in collapses(SEEDS)}
    found = set(flagged(of_name["one picture a prompt"].ruin(drawn())))
    assert "diversity:within_prompt" in found
    assert "diversity:between_prompts" not in found
