"""`ddpo` commands that give back what runs no longer need."""

from __future__ import annotations

from typing import Annotated

import typer

from dags.pipeline.cli_app import app, layout_of, places


@app.command()
def clean(
    run: Annotated[str | None, typer.Argument(help="A run's id or URI. Default: every run of the store.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
    keep: Annotated[int, typer.Option("--keep", min=0, help="Newest iterations that keep their trajectories.")] = 2,
    orphan_days: Annotated[
        float, typer.Option("--orphan-days", min=1, help="Age at which an uncommitted attempt is dead.")
    ] = 3,
) -> None:
    """Remove trajectories of old iterations, and attempts that nobody committed. Pictures, rewards, adapters stay.

    \b
    ddpo clean --dry-run
    ddpo clean demo --keep 0
    """
    from dags.pipeline import cleaning

    runs = [layout_of(run)] if run else cleaning.runs_of(places().store)
    for found in cleaning.sweep_all(runs, keep=keep, orphan_days=orphan_days, dry=dry_run):
        print(cleaning.said(found, dry=dry_run))
    if not runs:
        print(f"no runs in {places().store}")
