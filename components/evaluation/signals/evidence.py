"""What the signals are read from: one policy's pictures and scores beside the base's, and the limits that apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from components.core.contracts import EvaluationRequest, ScorerComparison
from components.core.records import HELD_OUT
from components.evaluation.bootstrap import Floats
from components.evaluation.limits import Limits
from components.evaluation.tables import Key, ScoredPolicy


@dataclass(frozen=True)
class Evidence:
    """Candidate and base, picture by picture. The rows of both statistics are the sorted keys of `base`."""

    request: EvaluationRequest
    candidate: ScoredPolicy
    base: ScoredPolicy
    candidate_statistics_NS: Floats
    base_statistics_NS: Floats
    comparisons: Sequence[ScorerComparison]
    """Of all references; the signals look at the base only."""
    kl_to_base: float
    """Mean path KL to the original base, nats."""
    limits: Limits

    @cached_property
    def keys(self) -> list[Key]:
        """Every picture, sorted."""
        return sorted(self.base.samples)

    @cached_property
    def deciding_split(self) -> str:
        """Held-out where the set has it, else its first split."""
        return HELD_OUT if HELD_OUT in self.base.splits else self.base.splits[0]

    def compared(self, scorer: str) -> ScorerComparison | None:
        """A scorer on the split that decides, against the base; None where it gave nothing there."""
        wanted = (scorer, self.deciding_split, "base", "trained")
        return next((c for c in self.comparisons if (c.scorer, c.split, c.reference, c.sampler) == wanted), None)
