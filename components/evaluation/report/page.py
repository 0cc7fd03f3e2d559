"""The page: evidence in, one HTML file out. No network, no script."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from components.core import rescoring
from components.core.contracts import canonical_json
from components.core.errors import BadRequest
from components.evaluation.report import before_after, curves, figure, ledger, vocabulary
from components.evaluation.report.evidence import Evidence, gather
from components.evaluation.report.figure import Chart
from components.evaluation.report.grid import nine_animals
from components.evaluation.report.guard_view import banner, best_words, history, signals
from components.evaluation.report.painted_text import typographic_panel
from components.evaluation.report.side_by_side import against_champion, shipped_sampler
from components.evaluation.report.splits import generalisation
from components.evaluation.report.strips import alignment_strips
from components.evaluation.report.verdict import turning_words, verdict
from components.evaluation.report.worst_prompts import worst_of_each_scorer

CONTENTS = (
    ("guard", "guard"),
    ("over-optimisation", "turning point"),
    ("animals", "nine animals"),
    ("strips", "policy by policy"),
    ("generalisation", "carries over?"),
    ("curves", "curves"),
    ("signals", "signals"),
    ("worst", "worst prompts"),
    ("text", "painted words"),
    ("sampler", "sampler"),
    ("champion", "champion"),
    ("scorers", "every number"),
    ("provenance", "provenance"),
)
"""Section -> its name in the list at the top."""


def write_report(run_uri: str, out_path: Path | str, *, others: Sequence[str] = ()) -> Path:
    """Write the report of a run, finished or not, and return its path.

    `others` are runs whose best policies stand beside this one's in the grid of nine animals. Raises MissingInput if
    there is no such run, and BadRequest if the file cannot be written.
    """
    page = render(gather(run_uri), [gather(other) for other in others])
    path = Path(out_path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"cannot write {path}: {error.strerror}") from None
    return path


def render(evidence: Evidence, others: Sequence[Evidence] = ()) -> str:
    """The page's HTML. The same evidence gives the same bytes: it holds no time of its own."""
    package = resources.files(__package__)
    environment = Environment(
        loader=FunctionLoader(lambda name: (package / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(vocabulary, name) for name in ("bracketed", "signed", "plain", "first_up")}
    sheets = (resources.files("components.core") / "page.css", package / "page.css")
    style = Markup("".join(sheet.read_text(encoding="utf-8") for sheet in sheets))  # ours, and it holds no HTML
    values = _run_values(evidence) | _guard_values(evidence) | _figure_values(evidence, others)
    return environment.get_template("page.html.jinja").render(style=style, **values)


def _run_values(evidence: Evidence) -> dict[str, Any]:
    """What the template names of the run itself."""
    state = evidence.campaign
    x_end = _x_end(evidence)
    return {
        "run": state.run,
        "state": state,
        "config": state.config,
        "contents": CONTENTS,
        "evidence": evidence,
        "decision": evidence.decision,
        "status": _status(evidence),
        "reward": vocabulary.reward_words(evidence.reward),
        "reward_words": vocabulary.reward_words,
        "split_words": vocabulary.split_words,
        "verdict": verdict(evidence),
        "charts": [_drawn(c, x_end) for c in curves.main_charts(evidence)],
        "diagnostics": [_drawn(c, x_end) for c in curves.diagnostics(evidence)],
        "confidence": vocabulary.percent(state.config.evaluation.confidence),
        "duration": vocabulary.duration,
        "costs": ledger.costs(evidence),
        "wall_clock": ledger.wall_clock(evidence),
        "settings": ledger.settings(state.config),
        "software": ledger.software(evidence),
        "config_digest": hashlib.sha256(canonical_json(state.config.model_dump(mode="json"))).hexdigest(),
        "digits_for": vocabulary.digits_for,
        "colour_of": lambda split: curves.colour_of(split, evidence),
        "rescored": _rescored(evidence),
    }


def _rescored(evidence: Evidence) -> list[dict[str, Any]]:
    """What other rewards said of the stored pictures, where somebody has asked them."""
    tables = rescoring.tables(evidence.campaign.run).values()
    return [
        {"name": table.scorer_ids[0].rpartition("@")[0], "scorer_ids": table.scorer_ids, "rows": table.rows}
        for table in tables
        if table.rows
    ]


def _guard_values(evidence: Evidence) -> dict[str, Any]:
    """What the guard said, and where the run turned."""
    charts, marks = curves.over_optimisation(evidence)
    newest, failed = evidence.newest, evidence.failed
    return {
        "banner": banner(evidence),
        "best_words": best_words(evidence),
        "turning": turning_words(evidence),
        "over_optimisation": Markup(figure.stack(charts, marks, x_end=_x_end(evidence))) if charts else None,
        "signals": signals(evidence, newest.result.policy) if newest else [],
        "failed_signals": signals(evidence, failed.policy) if failed and newest and not _is_newest(evidence) else [],
        "history": history(evidence),
    }


def _figure_values(evidence: Evidence, others: Sequence[Evidence]) -> dict[str, Any]:
    """The figures made of pictures."""
    return {
        "grid": nine_animals(evidence, others),
        "strips": alignment_strips(evidence),
        "generalisation": generalisation(evidence),
        "galleries": before_after.galleries(evidence),
        "worst": worst_of_each_scorer(evidence),
        "text": typographic_panel(evidence),
        "shipped": shipped_sampler(evidence),
        "champion": against_champion(evidence),
    }


def _x_end(evidence: Evidence) -> float:
    return float(evidence.queries(max(1, len(evidence.iterations))))


def _is_newest(evidence: Evidence) -> bool:
    return bool(evidence.newest and evidence.failed and evidence.newest.result.policy == evidence.failed.policy)


def _drawn(described: Chart, x_end: float) -> dict[str, Any]:
    drawn = None if described.is_empty else Markup(figure.svg(described, x_end=x_end))  # escapes what it is given
    return {"title": described.title, "note": described.note, "svg": drawn}


def _status(evidence: Evidence) -> str:
    if evidence.decision.action == "continue":
        return f"in progress: {len(evidence.iterations)} of {evidence.campaign.iterations} iterations"
    return evidence.decision.reason
