"""Tables of limits: how far a signal may go, measured on a base's own seed sets and on its healthy runs.

`python -m benchmarks.calibration` makes them. A table speaks of one base and one evaluation set, and is silent about
others: what is far for one model is the noise of another.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, ValidationError

from components.core import store
from components.core.config import Contract, describe
from components.core.errors import BadData, BadRequest, MissingInput

TABLES = Path(__file__).parent / "calibrations"
NONE = "none"
"""No table."""
HOW_TO_MAKE_ONE = "`python -m benchmarks.calibration` makes a table"


class Limit(Contract):
    """Where one signal warns and where it fails, and how that came about. Direction and unit are the signal's."""

    warn: float | None
    fail: float | None
    null: float | None = None
    """Most extreme value among the base's own seed sets that limits were made from."""
    healthy: float | None = None
    """Most extreme value among the evaluations of the healthy runs."""


class Calibration(Contract):
    """One table of limits."""

    name: str
    base_id: str
    """`EvaluationResult.base_id` of the runs that it speaks of."""
    evaluation_set: str
    limits: dict[str, Limit]
    """Signal name -> limits, for any reward."""
    rewards: dict[str, dict[str, Limit]] = {}
    """Reward -> signal -> limits, where healthy runs of that reward say more."""
    made_from: dict[str, JsonValue] = {}
    """Counts, sampler, runs, margins, false alarms and power: what a reader needs to trust it. Not read by the step."""


@dataclass(frozen=True)
class Limits:
    """The limits that an evaluation is held against."""

    label: str
    """`name@digest`; `none`, with the reason, where no limit applies."""
    table: Calibration | None
    silence: str
    """Why no limit applies; empty where the table speaks of this base and set."""
    reward: str

    def of(self, signal: str) -> Limit | None:
        """The limits of a signal: those of the run's reward first, then those of any. None: not calibrated."""
        if self.table is None or self.silence:
            return None
        return self.table.rewards.get(self.reward, {}).get(signal) or self.table.limits.get(signal)

    def why_silent(self, signal: str) -> str:
        """Why a signal has no limits."""
        return self.silence or f"{self.label} has no limits for it"


def applying(calibration: str, *, base_id: str, evaluation_set: str, reward: str) -> Limits:
    """The limits for this base, set and reward. Raises BadRequest or BadData if the table cannot be read."""
    if calibration == NONE:
        return Limits("none", None, f"not calibrated: {HOW_TO_MAKE_ONE}", reward)
    table, digest = load(calibration)
    label = f"{table.name}@{digest[:12]}"
    silence = ""
    if table.base_id != base_id:
        silence = f"not calibrated: {table.name} was measured on another base; {HOW_TO_MAKE_ONE}"
        label = f"none ({table.name}: another base)"
    elif table.evaluation_set != evaluation_set:
        silence = f"not calibrated: {table.name} was measured on {table.evaluation_set}; {HOW_TO_MAKE_ONE}"
        label = f"none ({table.name}: another evaluation set)"
    return Limits(label, table, silence, reward)


def load(calibration: str) -> tuple[Calibration, str]:
    """A table by its name, URI or path, and the sha256 of its bytes."""
    data = _read(calibration)
    try:
        return Calibration.model_validate_json(data), hashlib.sha256(data).hexdigest()
    except ValidationError as error:
        raise BadData(f"{calibration} is no table of limits: {describe(error)}") from None


def names() -> list[str]:
    """Tables that come with the project."""
    return sorted(path.stem for path in TABLES.glob("*.json"))


def _read(calibration: str) -> bytes:
    if "://" in calibration:
        return store.read(calibration)
    if "/" in calibration or calibration.endswith(".json"):
        try:
            return Path(calibration).expanduser().read_bytes()
        except OSError as error:
            raise MissingInput(
                f"guard.calibration = {calibration!r} cannot be read: {error.strerror}",
                hint="a path is seen from where the evaluation runs: a store's URI is seen from everywhere",
            ) from None
    if calibration not in names():
        raise BadRequest(
            f"no calibration named {calibration!r}", hint=f"there is {', '.join(names())}, or the URI of a table"
        )
    return (TABLES / f"{calibration}.json").read_bytes()
