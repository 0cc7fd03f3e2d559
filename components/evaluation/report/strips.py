"""The same prompt and seed over the policies of a run, with what the reward read in each picture below it."""

from __future__ import annotations

from dataclasses import dataclass

from components.evaluation import panel
from components.evaluation.report.evidence import Evidence
from components.evaluation.report.guard_view import marks
from components.evaluation.report.pictures import Picture, shown, spread
from components.evaluation.report.vocabulary import DASH, digits_for, plain
from components.evaluation.tables import Key, ScoredPolicy

STRIPS = 8
"""Prompts shown, shared out evenly among the splits."""
SIDE = 136
CAPTION = "caption"
"""Part of a reward's row: what a captioner said of the picture."""


@dataclass(frozen=True)
class Frame:
    """One policy's picture of the strip's prompt."""

    picture: Picture
    caption: str
    """Empty where the reward has none."""
    reward: str


@dataclass(frozen=True)
class Strip:
    """One prompt and seed."""

    prompt: str
    split: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Strips:
    """Rows of the same columns."""

    columns: tuple[tuple[str, str], ...]
    """Name and marks of each policy."""
    strips: tuple[Strip, ...]
    captioned: bool


def alignment_strips(evidence: Evidence) -> Strips | None:
    """A strip a prompt over base and evaluated policies; None until a trained policy's pictures are there."""
    if evidence.base is None or not any(evidence.drawn):
        return None
    columns = [(f"policy {k}", ", ".join(marks(evidence, k)), policy) for k, policy in sorted(evidence.drawn.items())]
    start = evidence.drawn.get(0)
    if start is None or start.policy_id != evidence.base.policy_id:
        columns = [("base", "", evidence.base), *columns]
    strips = [
        Strip(
            prompt=evidence.base.samples[key].text,
            split=evidence.base.samples[key].split,
            frames=tuple(_frame(policy, key, name, evidence) for name, _, policy in columns),
        )
        for key in _keys(evidence.base)
    ]
    captioned = any(frame.caption for strip in strips for frame in strip.frames)
    return Strips(tuple((name, said) for name, said, _ in columns), tuple(strips), captioned)


def _keys(base: ScoredPolicy) -> list[Key]:
    each = max(1, STRIPS // len(base.splits))
    return [key for split in base.splits for key in spread(panel.first_of_each_prompt(base, split), each)][:STRIPS]


def _frame(policy: ScoredPolicy, key: Key, name: str, evidence: Evidence) -> Frame:
    row = policy.rewards[evidence.reward].get(key)
    found = evidence.evaluations[0].result.comparison(evidence.reward, policy.samples[key].split)
    digits = digits_for(found.reference_std if found else 0.0)
    caption = row.parts.get(CAPTION) if row else None
    return Frame(
        picture=shown(policy, key, name, side=SIDE),
        caption=caption if isinstance(caption, str) else "",
        reward=plain(row.reward, digits) if row and row.reward is not None else DASH,
    )
