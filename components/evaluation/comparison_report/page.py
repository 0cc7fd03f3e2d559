"""The page of a comparison: a table in, one HTML file out. No network, no script."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from components.core.comparison_table import Table
from components.evaluation.comparison_report import figure, words
from components.evaluation.report import vocabulary


def render(table: Table, *, uri: str, prefix: str) -> str:
    """The page's HTML. The same table gives the same bytes: it holds no time of its own."""
    package = resources.files(__package__)
    environment = Environment(
        loader=FunctionLoader(lambda name: (package / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(vocabulary, name) for name in ("signed", "plain", "percent")}
    sheets = (
        resources.files("components.core") / "page.css",
        resources.files("components.evaluation.report") / "page.css",
    )
    return environment.get_template("page.html.jinja").render(
        style=Markup("".join(sheet.read_text(encoding="utf-8") for sheet in sheets)),  # ours, and it holds no HTML
        table=table,
        algorithms=list(dict.fromkeys(run.algorithm for run in table.runs)),
        findings=words.findings(table),
        definition=words.definition(table),
        reward_title=words.reward_title,
        share=words.share,
        tuned=words.TUNED,
        figure=Markup(figure.svg(table)),  # escapes what it is given
        uri=uri,
        name=uri.rsplit("/", 1)[-1],
        prefix=prefix,
    )
