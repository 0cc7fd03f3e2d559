"""What an audit found of a reward, and what that means for a run that is paid by it.

An audit is of one scorer id: other weights, options or library versions are another scorer, which nobody has audited.
All audits are kept below `<store>/audits/<scorer id>/`; the newest one counts.
"""

from __future__ import annotations

import json
import shlex

from components.core import store
from components.core.campaign import Campaign
from components.core.config import Contract, RewardConfig
from components.core.contracts import Level, Request, Result, ScoringResult
from components.core.layout import audits, policy_name


class Finding(Contract):
    """What one probe found."""

    probe: str
    """`swapped`, `blank`, `words`, `repeat`, `order`, `batch`, `constant`, `missing`."""
    level: Level | None
    """None: the probe says nothing about this reward, for the reason that stands in `reason`."""
    value: float | None
    unit: str
    warn: float | None = None
    """Beyond this it warns."""
    fail: float | None = None
    """Beyond this it fails. None: it never does."""
    reason: str
    """One sentence for a person, with the numbers."""
    accepted: str | None = None
    """Why a person accepts a failure: it is a warning then."""


class AuditRequest(Request):
    """Audit one scorer on one set of pictures."""

    reward: RewardConfig
    scorer_id: str
    pictures: str
    """Digest over the pictures and their prompts."""
    probes: int
    """Version of the probes and their limits."""
    accepted: dict[str, str] = {}
    """Probe -> why a person accepts that it fails."""
    after: str = ""
    """The audit before this one, where the same was asked before that too. The newest counts: it is made again."""


class AuditResult(Result):
    """Files: audit.json (this), page.html."""

    scorer_id: str
    level: Level
    """The worst of the findings; `pass` where nothing is against it."""
    findings: tuple[Finding, ...]
    pictures: int
    looks_at_prompt: bool
    """Whether another prompt changes any score."""

    @property
    def said(self) -> str:
        """What stands against it, in one line."""
        against = [finding.reason for finding in self.findings if finding.level == self.level != "pass"]
        return "; ".join(against) or "no probe has anything against it"


class Audited(Contract):
    """What is known of the reward of a run."""

    level: Level | None
    """None: nobody has audited it."""
    said: str
    """One sentence."""


def newest(store_uri: str, scorer_id: str) -> AuditResult | None:
    """What the audit of a scorer that counts says; None where there is none."""
    last = last_of(store_uri, scorer_id)
    return AuditResult.model_validate(last.manifest.result) if last is not None else None


def last_of(store_uri: str, scorer_id: str) -> store.Committed | None:
    """The newest audit of a scorer; None where there is none."""
    place = audits(store_uri, scorer_id)
    found = [commit for name in store.children(place) if (commit := store.find(f"{place}/{name}")) is not None]
    return max(found, key=lambda commit: (commit.manifest.cost.committed_at, commit.prefix), default=None)


def audited(state: Campaign) -> Audited | None:
    """What the audits say of a run's reward, by the id with which it scored the run's start.

    None where the config asks for no audit.
    """
    if state.config.promotion.audit == "off":
        return None
    reward = state.config.reward.name
    scored = store.find(state.run.evaluation_scoring(policy_name(0), 0))
    ids = ScoringResult.model_validate(scored.manifest.result).scorer_ids if scored is not None else {}
    if reward not in ids:
        return Audited(level=None, said=f"nobody knows which {reward} it is: the run's start is not scored")
    found = newest(state.run.store, ids[reward])
    if found is None:
        return Audited(level=None, said=f"{ids[reward]} is not audited: `{command(state.config.reward)}` does it")
    return Audited(level=found.level, said=f"the audit of {ids[reward]} says {found.level}: {found.said}")


def command(reward: RewardConfig) -> str:
    """What audits it.

    >>> print(command(RewardConfig(name="jpeg_compressibility", options={"quality": 80})))
    ddpo audit jpeg_compressibility --options '{"quality": 80}'
    """
    options = f" --options {shlex.quote(json.dumps(reward.options))}" if reward.options else ""
    return f"ddpo audit {reward.name}{options}"
