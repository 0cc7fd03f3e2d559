"""`ddpo`: the command line for people. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dags.pipeline.commands import Commands

app = typer.Typer(
    name="ddpo",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="""Fine-tune a text-to-image diffusion model on a reward, with DDPO, as an Airflow pipeline.

    \b
    ddpo plan demo                      what it will cost, before anything starts
    ddpo run demo                       run it here: the real DAG, no server
    ddpo show                           the runs of the store, and how far each is
    ddpo sample demo --prompt "a cat"   pictures from the newest policy of run `demo`
    ddpo up                             Airflow's and MLflow's pages, with every run made so far
    """,
    epilog="--store and --debug may stand anywhere. The environment: DDPO_STORE, MLFLOW_TRACKING_URI, DDPO_HOME.",
)

Preset = Annotated[str, typer.Argument(help="A preset's name (`ddpo presets`), or the path of your own .toml file.")]
Run = Annotated[str, typer.Argument(help="A run's id (`ddpo show` lists them), or its URI.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one value, as often as you like."),
]
Iterations = Annotated[int | None, typer.Option("--iterations", min=1, help="Rounds to run.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of everything random in training.")]


@app.callback()
def main(
    store: Annotated[
        str | None,
        typer.Option(
            "--store", metavar="URI", help="s3://bucket/prefix or file:///path. Default: DDPO_STORE, or .ddpo/store."
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Say where the store is, for the command and all that it starts."""
    if store:
        import os

        from components.core import deployment

        os.environ[deployment.STORE_VARIABLE] = deployment.from_environment(store=store).store


@app.command()
def presets() -> None:
    """List the presets: what each run is for."""
    from dags.pipeline import presets as shelf

    for name in shelf.names():
        print(f"{name:<22}{shelf.about(name)}")


@app.command()
def plan(preset: Preset, change: Changes = None, iterations: Iterations = None, seed: Seed = None) -> None:
    """Say what a run will cost (pictures, rewards, bytes, time) before anything starts.

    \b
    ddpo plan demo
    ddpo plan demo --iterations 100 --set prompts.prompts=32
    """
    from dags.pipeline import estimate
    from dags.pipeline import presets as shelf

    config = shelf.resolve(preset, change or (), iterations=iterations, seed=seed)
    print(estimate.as_text(estimate.estimate(config, _places()), config))


@app.command()
def run(
    preset: Preset,
    run_id: Annotated[
        str | None,
        typer.Option("--run-id", help="Name of the run. Default: the preset's name and the time."),
    ] = None,
    change: Changes = None,
    iterations: Iterations = None,
    seed: Seed = None,
) -> None:
    """Run a preset on this machine, from the baseline evaluation to the end.

    A run id that exists with the same config goes on where it is.

    \b
    ddpo run demo
    ddpo run demo --run-id cats --iterations 20 --set training.learning_rate=1e-3
    """
    from datetime import UTC, datetime

    from components.core import opening, store
    from dags.pipeline import presets as shelf

    config = shelf.resolve(preset, change or (), iterations=iterations, seed=seed)
    places = _places()
    store.probe(places.store)
    name = run_id or f"{Path(preset).stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    _drive(opening.open_run(places.store, name, config))


@app.command()
def resume(run: Run) -> None:
    """Go on with a run that was stopped, extended, interrupted or killed.

    \b
    ddpo resume demo
    """
    from components.core import campaign

    state = campaign.load(_layout(run))
    if state.stopping:
        campaign.control(state.run, "resume", by=_who())
    _drive(state.run)


@app.command()
def stop(run: Run) -> None:
    """Ask a run to end after the iteration that is running, wherever it runs."""
    from components.core import campaign

    state = campaign.load(_layout(run))
    campaign.control(state.run, "stop", by=_who())
    print(f"run {state.run.run_id} ends after its current iteration; `ddpo resume {state.run.run_id}` goes on with it")


@app.command()
def extend(run: Run, iterations: Annotated[int, typer.Option("--iterations", min=1, help="Further rounds.")]) -> None:
    """Give a run more iterations.

    \b
    ddpo extend demo --iterations 20 && ddpo resume demo
    """
    from components.core import campaign

    layout = campaign.load(_layout(run)).run
    campaign.control(layout, "extend", iterations=iterations, by=_who())
    state = campaign.load(layout)
    print(
        f"run {layout.run_id} has {state.iterations} iterations, {state.next_iteration} of them done; "
        f"`ddpo resume {layout.run_id}` goes on"
    )


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

    print(showing.one(_layout(run), as_json=json) if run else showing.all_runs(_places().store, as_json=json))


@app.command()
def verify(run: Run) -> None:
    """Read a run back from the store: every manifest, checksum and parent link, and no held-out prompt in training."""
    from dags.pipeline import showing
    from dags.pipeline.commands import fail

    verification = showing.verified(_layout(run))
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
    _module("components.sampling.preview", run, options)


@app.command()
def report(
    run: Run,
    out: Annotated[Path | None, typer.Option("--out", help="HTML file. Default: <run>-report.html.")] = None,
) -> None:
    """Write the report of a run: one HTML file with curves, pictures and tables."""
    _module("components.evaluation.report", run, {"out": out or Path(f"{_layout(run).run_id}-report.html")})


@app.command()
def track(run: Run) -> None:
    """Show a run in MLflow again, from the store: nothing is lost when MLflow was away."""
    from components.core import tracking

    layout = _layout(run)
    summary = tracking.project(layout, tracking_uri=_places().tracking_uri)
    print(
        f"{summary.tracking_uri} shows {layout.run_id}; new there: {len(summary.iterations)} iterations, "
        f"{len(summary.policies)} evaluations"
    )


@app.command()
def up(
    port: Annotated[int, typer.Option("--port", help="Airflow's port; a free one near it is taken.")] = 8080,
    mlflow_port: Annotated[int, typer.Option("--mlflow-port", help="MLflow's port, likewise.")] = 5000,
) -> None:
    """Start Airflow and MLflow on this machine, with the runs made so far. `ddpo down` ends them."""
    from dags.pipeline import services

    services.up(_places(), port, mlflow_port)


@app.command()
def down() -> None:
    """End what `ddpo up` started, and nothing else."""
    from dags.pipeline import services

    services.down(_places())


def _places() -> Any:
    from components.core import deployment

    return deployment.from_environment()


def _layout(run: str) -> Any:
    from components.core.layout import RunLayout

    return RunLayout.of(_places().store, run)


def _who() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _drive(layout: Any) -> None:
    from components.core import campaign
    from dags.pipeline import driver
    from dags.pipeline.commands import fail

    places, name = _places(), layout.run_id
    state = campaign.load(layout)
    print(f"run {name}: {state.next_iteration} of {state.iterations} iterations done; store {places.store}", flush=True)
    try:
        driver.drive(layout, places)
    except KeyboardInterrupt:
        fail(f"interrupted; what is committed is safe: `ddpo resume {name}` goes on", 130)
    reason = campaign.decide(campaign.load(layout)).reason
    print(f"run {name}: {reason}. `ddpo report {name}` shows it, `ddpo up` opens Airflow and MLflow")


def _module(module: str, run: str, options: dict[str, Any]) -> None:
    """Run a step's own tool, with torch in a process of its own; it says itself what is wrong."""
    import os
    import subprocess
    import sys

    from components.core import campaign

    layout = campaign.load(_layout(run)).run
    given = [f"--{name}={value}" for name, value in options.items() if value is not None]
    environment = {"TRANSFORMERS_VERBOSITY": "error"} | os.environ | _places().environment()
    code = subprocess.run([sys.executable, "-m", module, f"--run={layout.uri}", *given], env=environment).returncode
    raise typer.Exit(code if code >= 0 else 128 - code)
