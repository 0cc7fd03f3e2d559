"""An audit in a store, made without a reward."""

from __future__ import annotations

from components.core import store
from components.core.audit import AuditRequest, AuditResult, Finding
from components.core.config import RewardConfig
from components.core.contracts import Level
from components.core.layout import audits


def commit_audit(store_uri: str, scorer_id: str, level: Level, *, number: int = 0) -> AuditResult:
    """One probe, and what it says."""
    finding = Finding(probe="words", level=level, value=0.5, unit="share", reason="words earn 50 %")
    result = AuditResult(scorer_id=scorer_id, level=level, findings=(finding,), pictures=4, looks_at_prompt=True)
    place = f"{audits(store_uri, scorer_id)}/{number:016x}"
    request = AuditRequest(out=place, reward=RewardConfig(), scorer_id=scorer_id, pictures="", probes=1)
    with store.Attempt(place, step="audit") as attempt:
        attempt.commit(request, result)
    return result
