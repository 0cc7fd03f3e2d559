"""`ddpo` commands that look at runs, and change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dags.pipeline.cli_app import Run, app, layout_of, places, tool


@app.command()
def show(
    run: Annotated[str | None, typer.Argument(help="A run's id or URI. Default: all runs of the store.")] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the runs of the store, or one run's table.

    \b
    ddpo show
    ddpo show demo
    ddpo show demo --json | jq '.rows[-1]'
    """
    from dags.pipeline import showing

    print(showing.one(layout_of(run), as_json=json) if run else showing.all_runs(places().store, as_json=json))


@app.command()
def diff(
    run: Run,
    other: Annotated[str, typer.Argument(help="The run to compare it with.")],
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say in what two runs differ: config, inputs, and what each came to.

    \b
    ddpo diff demo cats
    """
    from components.core import campaign
    from dags.pipeline import comparing

    print(comparing.compare(campaign.load(layout_of(run)), campaign.load(layout_of(other)), as_json=json))


@app.command()
def verify(run: Run) -> None:
    """Read a run back from the store: every manifest, checksum and parent link, and no held-out prompt in training."""
    from dags.pipeline import showing
    from dags.pipeline.commands import fail

    verification = showing.verified(layout_of(run))
    for problem in verification.problems:
        print(problem)
    if not verification.sound:
        fail(f"run {run}: {len(verification.problems)} things do not hold (listed above)", 65)
    print(showing.sound(verification))


@app.command()
def sample(
    run: Run,
    prompt: Annotated[str, typer.Option("--prompt", help="What to draw.")],
    policy: Annotated[int | None, typer.Option("--policy", min=0, help="0 is the start; default: the newest.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=256, help="Pictures.")] = 4,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, other pictures.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Directory for the PNG files.")] = Path("samples"),
) -> None:
    """Draw pictures from a policy of a run.

    \b
    ddpo sample demo --prompt "a cat"
    ddpo sample demo --prompt "a cat" --policy 0 --out before
    """
    options: dict[str, Any] = {"prompt": prompt, "policy": policy, "count": count, "seed": seed, "out": out}
    tool("components.sampling.preview", run, options)


@app.command()
def report(
    run: Run,
    beside: Annotated[
        list[str] | None, typer.Argument(help="Further runs: their best policies stand beside it in the grid.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="HTML file. Default: <run>-report.html.")] = None,
) -> None:
    """Write the report of a run: one HTML file with verdict, curves, pictures and tables.

    \b
    ddpo report demo
    ddpo report demo other third --out models.html
    """
    page = out or Path(f"{layout_of(run).run_id}-report.html")
    tool("components.evaluation.report", run, {"out": page}, beside=beside or ())


@app.command()
def track(run: Run) -> None:
    """Show a run in MLflow again, from the store: nothing is lost when MLflow was away."""
    from components.core import tracking

    layout = layout_of(run)
    summary = tracking.project(layout, tracking_uri=places().tracking_uri)
    print(
        f"{summary.tracking_uri} shows {layout.run_id}; new there: {len(summary.iterations)} iterations, "
        f"{len(summary.policies)} evaluations"
    )
