"""`ddpo compare`: algorithms side by side, at equal reward queries."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dags.pipeline.cli_app import Changes, app, own_process, places

if TYPE_CHECKING:
    from components.core.comparison import Comparison


@app.command()
def compare(
    comparison: Annotated[
        str, typer.Argument(help="A comparison's name (dags/comparisons), or the path of your own .toml file.")
    ],
    name: Annotated[str | None, typer.Option("--name", help="Its name in the store. Default: the file's name.")] = None,
    change: Changes = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it costs; nothing is begun.")] = False,
    tune: Annotated[bool, typer.Option("--tune", help="Only choose the learning rates, and show the table.")] = False,
    only: Annotated[
        str, typer.Option("--only", metavar="PATTERN", help="Make only runs of these ids: machines share the work.")
    ] = "*",
    show: Annotated[
        bool,
        typer.Option(
            "--show", help="Make no run; show what is finished of the comparison that has this name in the store."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The table for programs.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="HTML file. Default: <name>-comparison.html.")] = None,
) -> None:
    """Compare algorithms: each on each reward, with several seeds, at the same number of reward queries.

    Learning rates are tuned first, each algorithm on the same small budget. What is finished is not run again: a
    comparison that was interrupted goes on where it was. A gain counts only where the judges keep their base score.

    \b
    ddpo compare tiny --plan
    ddpo compare tiny
    ddpo compare kl
    ddpo compare tiny --show
    ddpo compare tiny --only '*-compressibility-*'
    """
    from components.core import comparison_tuning as tuning
    from components.core import store
    from dags.pipeline import comparisons, comparisons_here, driver
    from dags.pipeline.commands import fail

    where = places()
    if plan:
        print(comparisons.plan_text(comparisons.preview(comparison, where, change or (), as_name=name), where))
        return
    stopped: list[str] = []
    if show:
        opened = comparisons.open_already(comparison, where, as_name=name)
    else:
        driver.refuse_beside_scheduler(where, "ddpo_compare")
        store.probe(where.store)
        opened = comparisons.open_comparison(comparison, where, change or (), as_name=name)
        with contextlib.redirect_stdout(sys.stderr) if json else contextlib.nullcontext():
            stopped = comparisons_here.make(opened, where, only=only, tune_only=tune)
    if (chosen := tuning.tuned(opened)) is not None and not json:
        print(comparisons.tuning_text(chosen.rates), end="\n\n", flush=True)
    if not tune:
        _result(opened, out or Path(f"{opened.name}-comparison.html"), as_json=json)
    if stopped:
        fail(f"{len(stopped)} runs were stopped before their budget was spent: {', '.join(stopped)}", 73)


def _result(opened: Comparison, page: Path, *, as_json: bool) -> None:
    """Draw, commit, and print the table of what is finished."""
    from components.core import comparison_table as tables
    from dags.pipeline import comparisons
    from dags.pipeline.commands import fail

    code = own_process(
        "components.evaluation.comparison_report",
        [f"--comparison={opened.uri}", f"--out={page}", "--track", *(["--quiet"] if as_json else [])],
    )
    if code:
        raise typer.Exit(code)
    found = tables.newest_table(opened)
    if found is None:
        fail(f"no table of {opened.name} was committed", 70)
        return
    table = found[1]
    print(table.model_dump_json(indent=1) if as_json else f"\n{comparisons.as_text(table)}")
