"""An audit from beginning to end: ask, judge, draw the page, commit. The same audit again is read from the store.

Unless another one came between: the newest audit counts, so that what a person reads last is what the gates read.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.core import store
from components.core.audit import AuditRequest, AuditResult, Finding, last_of
from components.core.config import RewardConfig
from components.core.errors import BadRequest
from components.core.layout import audits
from components.scoring.audit import page, probes
from components.scoring.audit.answers import ask
from components.scoring.audit.exhibits import Exhibits
from components.scoring.scorer import Scorer

RESULT, PAGE = "audit.json", "page.html"


@dataclass(frozen=True)
class Record:
    """A committed audit."""

    prefix: str
    result: AuditResult
    page: bytes
    """HTML."""


def audit(store_uri: str, reward: RewardConfig, scorer: Scorer, exhibits: Exhibits, accepted: dict[str, str]) -> Record:
    """Audit a scorer on these exhibits. `accepted` says, probe by probe, why a person accepts that it fails."""
    if unknown := sorted(set(accepted) - set(probes.PROBES)):
        raise BadRequest(f"there is no probe {unknown[0]!r} to accept", hint=f"one of {', '.join(probes.PROBES)}")
    request = _request(store_uri, reward, scorer, exhibits, accepted)
    if (done := store.find(request.out)) is not None:
        result = AuditResult.model_validate(store.answer_to(request, done).result)
        return Record(request.out, result, done.read(PAGE))
    answers = ask(scorer.reward, exhibits)
    partners = [exhibits.partner(i) for i in range(len(exhibits.items))]
    found = tuple(_accepted(finding, accepted) for finding in probes.findings(answers, partners))
    result = AuditResult(
        scorer_id=scorer.id,
        level=probes.verdict(found),
        findings=found,
        pictures=len(exhibits.items),
        looks_at_prompt=probes.looks_at_prompt(answers, partners),
    )
    drawn = page.render(scorer, exhibits, answers, result).encode()
    with store.Attempt(request.out, step="audit") as attempt:
        attempt.write(RESULT, result.model_dump_json(indent=1).encode() + b"\n")
        attempt.write(PAGE, drawn)
        attempt.commit(request, result)
    return Record(request.out, result, drawn)


def _request(
    store_uri: str, reward: RewardConfig, scorer: Scorer, exhibits: Exhibits, accepted: dict[str, str]
) -> AuditRequest:
    asked = AuditRequest(
        out="",
        reward=reward,
        scorer_id=scorer.id,
        pictures=exhibits.digest,
        probes=probes.VERSION,
        accepted=accepted,
    )
    last = last_of(store_uri, scorer.id)
    before = last.asked(AuditRequest) if last is not None else None
    if before is not None and before.model_copy(update={"out": "", "after": ""}) == asked:
        asked = asked.model_copy(update={"after": before.after})
    elif last is not None and store.find(_place(store_uri, asked)) is not None:
        asked = asked.model_copy(update={"after": last.prefix.rpartition("/")[2]})
    return asked.model_copy(update={"out": _place(store_uri, asked)})


def _place(store_uri: str, asked: AuditRequest) -> str:
    return f"{audits(store_uri, asked.scorer_id)}/{asked.digest()[:16]}"


def _accepted(finding: Finding, accepted: dict[str, str]) -> Finding:
    reason = accepted.get(finding.probe)
    return finding.model_copy(update={"accepted": reason}) if reason and finding.level == "fail" else finding
