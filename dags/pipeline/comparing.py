"""`ddpo diff`: in what two runs differ, and what each came to."""

from __future__ import annotations

import json
from collections.abc import Callable

from components.core import campaign
from components.core.campaign import Campaign
from components.core.config import flat
from components.core.contracts import EvaluationResult
from components.core.records import HELD_OUT
from dags.pipeline import progress

ABSENT = "-"


def compare(one: Campaign, other: Campaign, *, as_json: bool) -> str:
    """Config keys, inputs and headlines."""
    tables = {
        "config": _differing(flat(_config(one)), flat(_config(other))),
        "inputs": _differing(one.start.inputs, other.start.inputs),
        "headlines": {name: (of(one), of(other)) for name, of in HEADLINES.items()},
    }
    if as_json:
        named = {section: {k: list(v) for k, v in rows.items()} for section, rows in tables.items()}
        return json.dumps({"runs": [one.run.uri, other.run.uri], **named}, indent=1)
    rows = [row for section in tables.values() for row in section.items()]
    first = max(24, *(len(name) for name, _ in rows))
    second = max(16, len(one.run.run_id), *(len(pair[0]) for _, pair in rows))
    lines = [f"{'':<{first}}  {one.run.run_id:<{second}}  {other.run.run_id}".rstrip()]
    for section, found in tables.items():
        lines.append(section if found else f"{section}: no difference")
        lines += [f"{name:<{first}}  {a:<{second}}  {b}".rstrip() for name, (a, b) in found.items()]
    return "\n".join(lines)


def _config(state: Campaign) -> dict[str, object]:
    return state.config.model_dump(mode="json")


def _differing(one: object, other: object) -> dict[str, tuple[str, str]]:
    assert isinstance(one, dict)
    assert isinstance(other, dict)
    names = sorted(set(one) | set(other))
    return {n: (_shown(one, n), _shown(other, n)) for n in names if one.get(n, ABSENT) != other.get(n, ABSENT)}


def _shown(values: dict[str, object], name: str) -> str:
    value = values.get(name, ABSENT)
    return value if isinstance(value, str) else json.dumps(value)


def _newest(state: Campaign) -> EvaluationResult | None:
    return next((report for report in reversed(state.reports) if report.policy), None)


def _judges(state: Campaign) -> str:
    """The first judge's held-out mean: base, then newest policy."""
    report, judges = _newest(state), state.config.evaluation.judges
    found = report.comparison(judges[0].name, HELD_OUT) if report and judges else None
    return f"{found.reference_mean:.3f} -> {found.candidate_mean:.3f}" if found else ABSENT


def _kl(state: Campaign) -> str:
    report = _newest(state)
    return f"{report.kl_to_base:.3g} nats" if report else ABSENT


def _verdict(state: Campaign) -> str:
    return f"{state.verdicts[-1].level} (policy {state.verdicts[-1].policy})" if state.verdicts else ABSENT


HEADLINES: dict[str, Callable[[Campaign], str]] = {
    "iterations": lambda state: f"{state.next_iteration} of {state.iterations}",
    "reward queries": lambda state: f"{state.reward_queries} (+ {state.start.start_queries} before)",
    "held-out gain": lambda state: progress.newest_gain(state) or ABSENT,
    "judge": _judges,
    "KL to the base": _kl,
    "guard": _verdict,
    "best policy": lambda state: str(campaign.best_policy(state)),
    "state": lambda state: campaign.decide(state).reason,
}
