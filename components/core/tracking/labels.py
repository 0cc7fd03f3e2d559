"""What MLflow's runs are called and tagged with: pure functions of a campaign and its facts."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from components.core.campaign import Campaign, Decision, best_policy
from components.core.config import RunConfig, flat
from components.core.contracts import EvaluationResult, Interval, canonical_json
from components.core.guard import Verdict
from components.core.records import HELD_OUT
from components.core.tracking.facts import IterationFacts

NOTE = "mlflow.note.content"
NOTE_LIMIT = 8000
"""Characters of a run's tag; MLflow cuts what is longer, in the middle of a table."""
PARENT = "mlflow.parentRunId"
PROJECTED = "ddpo.projected"

Identity = dict[str, str]
"""Tags that find one run of MLflow: two runs with one identity are one too many."""


def campaign_identity(run_uri: str) -> Identity:
    """Finds the parent run of a campaign."""
    return {"ddpo.kind": "campaign", "ddpo.run_uri": run_uri}


def iteration_identity(run_uri: str, k: int) -> Identity:
    """Finds the child run of iteration k."""
    return {"ddpo.kind": "iteration", "ddpo.run_uri": run_uri, "ddpo.iteration": str(k)}


def iteration_name(k: int) -> str:
    """Sorts as it counts."""
    return f"iteration-{k:04d}"


def campaign_params(config: RunConfig) -> dict[str, str]:
    """The whole config, with dotted keys."""
    return {key: _plain(value) for key, value in sorted(flat(config.model_dump(mode="json")).items())}


def config_digest(config: RunConfig) -> str:
    """sha256 of the config's canonical JSON: equal for two runs that were asked for the same."""
    return hashlib.sha256(canonical_json(config.model_dump(mode="json"))).hexdigest()


def campaign_tags(state: Campaign, decision: Decision) -> dict[str, str]:
    """Identities, where things are, and how far it is."""
    tags = {
        "ddpo.run": state.run.run_id,
        "ddpo.reward": state.config.reward.name,
        "ddpo.base": state.config.base.model,
        "ddpo.base_id": state.base_id,
        "ddpo.config_digest": config_digest(state.config),
        "ddpo.iterations": str(state.iterations),
        "ddpo.progress": f"{state.next_iteration} of {state.iterations} iterations",
        "ddpo.decision": decision.reason,
        "ddpo.guard.on_fail": state.config.guard.on_fail,
        NOTE: campaign_note(state, decision),
    }
    if state.trained:
        tags["ddpo.start_policy_id"] = state.trained[0].parent_id
        tags["ddpo.policy"] = str(state.next_iteration)
        tags["ddpo.policy_id"] = state.trained[-1].policy_id
    if (verdict := telling_verdict(state)) is not None:
        tags |= {"ddpo.verdict": verdict.level, "ddpo.guard": f"policy {verdict.policy}: {verdict.said}"[:NOTE_LIMIT]}
    if any(report.policy for report in state.reports):
        tags["ddpo.best_policy"] = str(best_policy(state))
    return tags


def iteration_tags(facts: IterationFacts, parent: str) -> dict[str, str]:
    """Which policy came in, which came out, and the digests that prove it."""
    tags = {
        PARENT: parent,
        "ddpo.parent_policy_id": facts.result.parent_id,
        "ddpo.policy": str(facts.result.iteration + 1),
        "ddpo.policy_id": facts.result.policy_id,
        "ddpo.training": facts.request.out,
        "ddpo.training.request_digest": facts.training.request_digest,
        "ddpo.training.content_digest": facts.training.content_digest,
    }
    tags |= {f"ddpo.prompts.{name}_digest": getattr(m, f"{name}_digest")
             for m in facts.steps["prompts"] for name in ("request", "content")}  # fmt: skip
    return tags | {f"ddpo.software.{name}": version for name, version in sorted(facts.training.software.items())}


def iteration_params(facts: IterationFacts) -> dict[str, str]:
    """What of its request differs between iterations."""
    return {
        "iteration": str(facts.result.iteration),
        "seed": str(facts.request.seed),
        "shards": str(len(facts.request.shards)),
        "fresh_optimizer": _plain(facts.request.fresh_optimizer),
    }


def telling_verdict(state: Campaign) -> Verdict | None:
    """The guard's word on the run: on the first policy that it failed, else on the newest; None before there is one."""
    failed = next((verdict for verdict in state.verdicts if verdict.level == "fail"), None)
    return failed or (state.verdicts[-1] if state.verdicts else None)


def campaign_note(state: Campaign, decision: Decision) -> str:
    """The description on the run's page: what it is, how far, the guard's word, and the newest evaluation."""
    config = state.config
    head = [
        f"**{config.reward.name}** on `{config.base.model}`: {state.next_iteration} of {state.iterations} iterations, "
        f"{state.reward_queries} reward queries. {decision.reason[:1].upper()}{decision.reason[1:]}.",
        "",
        f"Store: `{state.run.uri}`",
    ]
    parts = ["\n".join(head)[: NOTE_LIMIT // 2]]
    if (verdict := telling_verdict(state)) is not None:
        parts.append("\n".join(verdict_lines(verdict))[: NOTE_LIMIT // 4])
    if any(report.policy for report in state.reports):
        parts.append(f"Best on held-out prompts so far: policy {best_policy(state)} (split `{HELD_OUT}`).")
    parts.append("Artifacts: `panels/`, pictures of every evaluated policy, base above it; `report/`, the report.")
    if state.reports:
        tables = [comparison_table(state.reports[-1], reference) for reference in ("base", "champion")]
        parts = with_tables(parts, tables, config.reward.name, NOTE_LIMIT)
    return spaced("\n\n".join(parts))


def with_tables(parts: list[str], tables: list[list[str]], scorer: str, limit: int) -> list[str]:
    """The parts of a page and tables after them, as far as they fit in `limit` characters.

    All of every table; else one scorer's rows of each; else of the first; else none. A row is never cut.
    """
    tables = [table for table in tables if table]
    narrow = [[*table[:2], *(row for row in table[2:] if f"| {scorer} |" in row)] for table in tables]
    for chosen in (tables, narrow, narrow[:1]):
        longer = [*parts, *("\n".join(table) for table in chosen)]
        if len(spaced("\n\n".join(longer))) <= limit:
            return longer
    return parts


def spaced(markdown: str) -> str:
    """Room between a table's columns: MLflow's pages draw them without any.

    >>> spaced("| a | b |")
    '| a &nbsp; | b |'
    """
    return "\n".join(
        line[:-1].replace(" |", " &nbsp; |") + "|" if line.startswith("| ") else line for line in markdown.splitlines()
    )


def comparison_table(report: EvaluationResult, reference: str = "base", sampler: str = "trained") -> list[str]:
    """The numbers of one evaluation against one reference, as a Markdown table; empty where nothing was compared."""
    rows = [
        f"| {c.split} | {c.scorer} | {c.reference_mean:.3f} | {c.candidate_mean:.3f} | {_shown(c.difference)} "
        f"| {_shown(c.gain)} | {c.prompts} x {c.pairs // max(c.prompts, 1)} |"
        for c in report.comparisons
        if (c.reference, c.sampler) == (reference, sampler)
    ]
    if not rows:
        return []
    return [
        f"| split | scorer | {reference} | policy {report.policy} | difference | gain (sd of {reference}) "
        "| prompts x seeds |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]


def verdict_lines(verdict: Verdict) -> list[str]:
    """The guard's word on one policy, and why, in Markdown."""
    said = f"Guard on policy {verdict.policy}: **{verdict.level}**"
    return (
        [f"{said}, {verdict.said}."] if not verdict.reasons else [f"{said}", "", *(f"- {r}" for r in verdict.reasons)]
    )


def milliseconds(at: datetime) -> int:
    """A time as MLflow counts it."""
    return int(at.timestamp() * 1000)


def _shown(interval: Interval) -> str:
    return f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _plain(value: object) -> str:
    """A string stays one; everything else is JSON, so that `1` and `true` are not mistaken for words."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
