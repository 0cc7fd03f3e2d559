"""The page: evidence in, one HTML file out. No network, no script."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from components.core.contracts import canonical_json
from components.core.errors import BadRequest
from components.evaluation.report import chart, curves, ledger, pictures, vocabulary
from components.evaluation.report.chart import Chart
from components.evaluation.report.evidence import Evidence, gather
from components.evaluation.report.verdict import verdict


def write_report(run_uri: str, out_path: Path | str) -> Path:
    """Write the report of a run, finished or not, and return its path.

    Raises MissingInput if there is no such run, and BadRequest if the file cannot be written.
    """
    page = render(gather(run_uri))
    path = Path(out_path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"cannot write {path}: {error.strerror}") from None
    return path


def render(evidence: Evidence) -> str:
    """The page's HTML. The same evidence gives the same bytes."""
    package = resources.files(__package__)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"bracketed": vocabulary.bracketed, "signed": vocabulary.signed, "plain": vocabulary.plain}
    template = environment.from_string((package / "page.html.jinja").read_text(encoding="utf-8"))
    style = Markup((package / "page.css").read_text(encoding="utf-8"))  # ours, and a style sheet holds no HTML
    return template.render(style=style, **_values(evidence))


def _values(evidence: Evidence) -> dict[str, Any]:
    """What the template names."""
    state = evidence.campaign
    x_end = float(evidence.queries(max(1, len(evidence.iterations))))
    return {
        "run": state.run,
        "state": state,
        "config": state.config,
        "evidence": evidence,
        "decision": evidence.decision,
        "status": _status(evidence),
        "reward": vocabulary.reward_words(evidence.reward),
        "reward_words": vocabulary.reward_words,
        "split_words": vocabulary.split_words,
        "verdict": verdict(evidence),
        "charts": [_drawn(c, x_end) for c in curves.main_charts(evidence)],
        "diagnostics": [_drawn(c, x_end) for c in curves.diagnostics(evidence)],
        "galleries": pictures.galleries(evidence),
        "confidence": vocabulary.percent(state.config.evaluation.confidence),
        "duration": vocabulary.duration,
        "costs": ledger.costs(evidence),
        "wall_clock": ledger.wall_clock(evidence),
        "settings": ledger.settings(state.config),
        "software": ledger.software(evidence),
        "config_digest": hashlib.sha256(canonical_json(state.config.model_dump(mode="json"))).hexdigest(),
        "digits_for": vocabulary.digits_for,
        "colour_of": lambda split: curves.colour_of(split, evidence),
    }


def _drawn(described: Chart, x_end: float) -> dict[str, Any]:
    drawn = None if described.is_empty else Markup(chart.svg(described, x_end=x_end))  # escapes what it is given
    return {"title": described.title, "note": described.note, "svg": drawn}


def _status(evidence: Evidence) -> str:
    if evidence.decision.action == "continue":
        return f"in progress: {len(evidence.iterations)} of {evidence.campaign.iterations} iterations"
    return evidence.decision.reason
