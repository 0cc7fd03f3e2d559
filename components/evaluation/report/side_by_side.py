"""The newest policy beside another way to draw it, and beside the champion it would replace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.core.contracts import ScorerComparison
from components.evaluation import panel
from components.evaluation.report.evidence import Evidence
from components.evaluation.report.pictures import Picture, shown, spread
from components.evaluation.tables import ScoredPolicy

PROMPTS = 6


@dataclass(frozen=True)
class Row:
    """One prompt, drawn in several ways."""

    caption: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Samplers:
    """One scorer on one split, by the sampler of training and by the one that ships."""

    trained: ScorerComparison | None
    deployed: ScorerComparison


@dataclass(frozen=True)
class SideBySide:
    """Figures and pictures, or the reason why there are none."""

    reason: str
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    samplers: tuple[Samplers, ...] = ()
    comparisons: tuple[ScorerComparison, ...] = ()


def shipped_sampler(evidence: Evidence) -> SideBySide:
    """The stochastic sampler of training beside the one that ships, eta 0, on the newest policy."""
    if evidence.newest is None:
        return SideBySide("Not run: no trained policy has been evaluated.")
    result = evidence.newest.result
    deployed = [c for c in result.comparisons if c.sampler == "deployed" and c.reference == "base"]
    if not deployed:
        return SideBySide("Not run: this evaluation drew no pictures with the sampler that ships.")
    samplers = tuple(Samplers(result.comparison(c.scorer, c.split), c) for c in deployed)
    drawn = {
        "base, trained sampler": evidence.base,
        "after, trained sampler": evidence.candidate,
        "base, sampler that ships": evidence.shipped_base,
        "after, sampler that ships": evidence.shipped,
    }
    return SideBySide("", tuple(drawn), _rows(drawn), samplers=samplers)


def against_champion(evidence: Evidence) -> SideBySide:
    """The newest policy against the model's champion, where there is one."""
    if evidence.newest is None:
        return SideBySide("Not run: no trained policy has been evaluated.")
    found = tuple(c for c in evidence.newest.result.comparisons if c.reference == "champion" and c.sampler == "trained")
    if not found:
        return SideBySide("Not run: there was no champion but the base when this run was opened.")
    drawn = {"champion": evidence.champion, "after training": evidence.candidate}
    return SideBySide("", tuple(drawn), _rows(drawn), comparisons=found)


def _rows(drawn: Mapping[str, ScoredPolicy | None]) -> tuple[Row, ...]:
    """The same prompts and seeds by every policy; none where one policy's pictures are not in the store."""
    present = {name: policy for name, policy in drawn.items() if policy is not None}
    if len(present) < len(drawn):
        return ()
    first = list(present.values())[-1]
    firsts = [key for split in first.splits for key in panel.first_of_each_prompt(first, split)]
    keys = [key for key in spread(firsts, PROMPTS) if all(key in policy.samples for policy in present.values())]
    return tuple(
        Row(
            first.samples[key].text,
            tuple(shown(policy, key, name, side=128) for name, policy in present.items()),
        )
        for key in keys
    )
