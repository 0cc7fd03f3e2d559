"""A comparison drawn and committed: figure, tables and page, once for each set of evaluations."""

from __future__ import annotations

from components.core import comparison_table as tables
from components.core import store
from components.core.comparison import Comparison
from components.core.comparison_table import Table
from components.evaluation.comparison_report import figure, words
from components.evaluation.comparison_report.page import render

PAGE = "page.html"


def commit(comparison: Comparison) -> store.Committed:
    """Draw what is finished; the same runs are there already. Raises MissingInput while no run is finished."""
    request, table = tables.tabulate(comparison)
    if (done := store.find(request.out)) is not None:
        return done
    files = drawn(table, uri=comparison.uri, prefix=request.out)
    with store.Attempt(request.out, step="compared") as attempt:
        for path, data in files.items():
            attempt.write(path, data)
        attempt.commit(request, table)
    return store.open_committed(request.out)


def drawn(table: Table, *, uri: str, prefix: str) -> dict[str, bytes]:
    """Every file of the commit."""
    return {
        "figure.png": figure.picture(table, "png"),
        "figure.svg": figure.picture(table, "svg"),
        "table.md": words.markdown(table).encode(),
        "table.json": table.model_dump_json(indent=1).encode() + b"\n",
        PAGE: render(table, uri=uri, prefix=prefix).encode(),
    }
