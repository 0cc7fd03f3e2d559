"""The typographic panel: pictures in which a detector found the most text, base beside candidate.

A policy can win a reward by writing the prompt instead of drawing it. The probe `text_masked` says where it found text
(`boxes`) and how much of the picture that covers (`text_area`).
"""

from __future__ import annotations

from dataclasses import dataclass

from components.core.plan import TEXT_MASKED
from components.evaluation.report.evidence import Evidence
from components.evaluation.report.pictures import Boxes, Picture, shown
from components.evaluation.report.vocabulary import percent
from components.evaluation.tables import Key, ScoredPolicy

PICTURES = 8
AREA, BOXES = "text_area", "boxes"


@dataclass(frozen=True)
class Painted:
    """One prompt whose picture holds text after training."""

    caption: str
    before: Picture
    after: Picture
    area: str
    """Share of the picture that text covers, before and after."""


@dataclass(frozen=True)
class TypographicPanel:
    """Pictures with text, or the reason why there are none."""

    reason: str
    pictures: tuple[Painted, ...] = ()


def typographic_panel(evidence: Evidence) -> TypographicPanel:
    """The pictures with the most text; a sentence where there is none, or where nobody looked."""
    if evidence.newest is None:
        return TypographicPanel("Not run: no trained policy has been evaluated.")
    if TEXT_MASKED not in evidence.newest.request.probes:
        return TypographicPanel(f"Not run: the config names no probe {TEXT_MASKED} in evaluation.probes.")
    base, candidate = evidence.base, evidence.candidate
    if base is None or candidate is None:
        return TypographicPanel("Not available: the pictures are no longer in the store.")
    areas = {key: area for key in candidate.samples if (area := area_of(candidate, key)) is not None}
    if not areas:
        errors = (row.error for row in candidate.rewards[TEXT_MASKED].values() if row.error)
        return TypographicPanel(f"Not available: {next(errors, 'the probe gave nothing')}.")
    ordered = sorted((key for key, area in areas.items() if area > 0), key=lambda key: (-areas[key], key))
    if not ordered:
        return TypographicPanel(f"The detector found no text in any of {len(areas)} pictures after training.")
    said = f"Text in {len(ordered)} of {len(areas)} pictures after training; those with the most are shown."
    return TypographicPanel(said, tuple(_painted(base, candidate, key) for key in ordered[:PICTURES]))


def area_of(policy: ScoredPolicy, key: Key) -> float | None:
    """Share of the picture that text covers; None where the probe could not look."""
    area = policy.rewards[TEXT_MASKED][key].parts.get(AREA)
    return float(area) if isinstance(area, int | float) else None


def boxes_of(policy: ScoredPolicy, key: Key) -> Boxes:
    """Left, top, width, height of each text that was found, in pixels; what is not four numbers is not drawn."""
    found = policy.rewards[TEXT_MASKED][key].parts.get(BOXES)
    boxes = found if isinstance(found, list) else []
    return [tuple(float(v) for v in box) for box in boxes if _is_box(box)]  # type: ignore[misc, union-attr, arg-type]


def _is_box(box: object) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box)


def _painted(base: ScoredPolicy, candidate: ScoredPolicy, key: Key) -> Painted:
    before = area_of(base, key)
    return Painted(
        caption=candidate.samples[key].text,
        before=shown(base, key, "base", boxes=boxes_of(base, key)),
        after=shown(candidate, key, "after training", boxes=boxes_of(candidate, key)),
        area=f"{'–' if before is None else percent(before)} → {percent(area_of(candidate, key) or 0.0)}",
    )
