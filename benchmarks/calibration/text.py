"""The text signals of a base whose pictures are too small to read: measured on enlarged ones.

Only the first picture of each prompt, because looking for text takes a tenth of a second a picture. A base that draws
from 64 px upwards needs none of this: its runs name the probe `text_masked`, and leave its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from benchmarks.calibration.choosing import Healthy
from benchmarks.calibration.measuring import Numbers, measure
from benchmarks.calibration.readings import read_signals
from components.core.config import EvaluationConfig, RewardConfig
from components.core.contracts import Signal
from components.core.plan import TEXT_MASKED
from components.core.records import SampleRow

SIDE = 128
"""Pixels that smaller pictures are enlarged to."""
NAMES = ("text_area", "text_reward")


def enlarged(
    policy_id: str, samples: Sequence[SampleRow], pictures: Sequence[Image.Image], reward: RewardConfig
) -> Numbers:
    """The first picture of each prompt, enlarged, scored with and without text."""
    first = [(row, picture) for row, picture in zip(samples, pictures, strict=True) if row.index == 0]
    return measure(policy_id, [row for row, _ in first], [large(picture) for _, picture in first], _scorers(reward))


def large(picture: Image.Image) -> Image.Image:
    """At least SIDE pixels wide."""
    factor = max(1, -(-SIDE // picture.width))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC)


def text_signals(
    candidate: Numbers, base: Numbers, reward: RewardConfig, evaluation: EvaluationConfig
) -> tuple[Signal, ...]:
    """Both text signals of enlarged pictures."""
    probed = evaluation.model_copy(update={"judges": (), "probes": _scorers(reward)[1:]})
    return tuple(signal for signal in read_signals(candidate, base, reward.name, probed) if signal.name in NAMES)


def with_text(signals: Sequence[Signal], text: Sequence[Signal]) -> tuple[Signal, ...]:
    """Signals of small pictures, with the text signals of the enlarged ones."""
    return (*(signal for signal in signals if signal.name not in NAMES), *text)


def ending_with(run: Healthy, text: Sequence[Signal]) -> Healthy:
    """A healthy run whose last evaluation has these text signals."""
    *earlier, last = run.evaluations
    return replace(run, evaluations=(*earlier, with_text(last, text)))


def _scorers(reward: RewardConfig) -> tuple[RewardConfig, ...]:
    masked = RewardConfig(name=TEXT_MASKED, options={"reward": reward.model_dump(mode="json")})
    return (reward, masked)
