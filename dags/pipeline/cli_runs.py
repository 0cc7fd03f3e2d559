"""`ddpo` commands that begin runs, and take them on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.core.layout import RunLayout
from dags.pipeline.cli_app import Changes, Iterations, Preset, Run, Seed, app, layout_of, places, who


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
    print(estimate.as_text(estimate.estimate(config, places()), config))


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
    from dags.pipeline import driver
    from dags.pipeline import presets as shelf

    config = shelf.resolve(preset, change or (), iterations=iterations, seed=seed)
    driver.refuse_beside_scheduler(places())
    root = places().store
    store.probe(root)
    name = run_id or f"{Path(preset).stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    _drive(opening.open_run(root, name, config, preset=preset))


@app.command()
def resume(run: Run) -> None:
    """Go on with a run that was stopped, extended, interrupted or killed.

    \b
    ddpo resume demo
    """
    from components.core import campaign

    state = campaign.load(layout_of(run))
    if state.stopping:
        campaign.control(state.run, "resume", by=who())
    _drive(state.run)


@app.command()
def stop(run: Run) -> None:
    """Ask a run to end after the iteration that is running, wherever it runs."""
    from components.core import campaign

    state = campaign.load(layout_of(run))
    campaign.control(state.run, "stop", by=who())
    print(f"run {state.run.run_id} ends after its current iteration; `ddpo resume {state.run.run_id}` goes on with it")


@app.command()
def extend(run: Run, iterations: Annotated[int, typer.Option("--iterations", min=1, help="Further rounds.")]) -> None:
    """Give a run more iterations.

    \b
    ddpo extend demo --iterations 20 && ddpo resume demo
    """
    from components.core import campaign

    layout = campaign.load(layout_of(run)).run
    campaign.control(layout, "extend", iterations=iterations, by=who())
    state = campaign.load(layout)
    print(
        f"run {layout.run_id} has {state.iterations} iterations, {state.next_iteration} of them done; "
        f"`ddpo resume {layout.run_id}` goes on"
    )


@app.command()
def fork(
    run: Run,
    at: Annotated[int, typer.Option("--at", min=0, help="Policy to start from; 0: where RUN itself started.")],
    run_id: Annotated[
        str | None, typer.Option("--run-id", help="Name of the new run. Default: RUN, the policy and the time.")
    ] = None,
    change: Changes = None,
    iterations: Iterations = None,
) -> None:
    """Begin another run from a policy of a run: its config with a few changes, warm-started, and run to its end.

    \b
    ddpo fork demo --at 12 --set training.learning_rate=2e-4
    ddpo fork demo --at 0 --run-id demo-again --iterations 60
    """
    from datetime import UTC, datetime

    from components.core import campaign, opening
    from dags.pipeline import driver, forks

    driver.refuse_beside_scheduler(places())
    parent = campaign.load(layout_of(run))
    config = forks.config_at(parent, at, change or (), iterations=iterations)
    name = run_id or f"{parent.run.run_id}-{at}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    _drive(opening.open_run(places().store, name, config, preset=forks.lineage(parent, at)))


def _drive(layout: RunLayout) -> None:
    from components.core import campaign
    from dags.pipeline import driver
    from dags.pipeline.commands import fail

    name, state = layout.run_id, campaign.load(layout)
    print(f"run {name}: {state.next_iteration} of {state.iterations} iterations done; store {layout.store}", flush=True)
    try:
        driver.drive(layout, places())
    except KeyboardInterrupt:
        fail(f"interrupted; what is committed is safe: `ddpo resume {name}` goes on", 130)
    ended = campaign.load(layout)
    reason = campaign.decide(ended).reason
    print(f"run {name}: {reason}. `ddpo report {name}` shows it, `ddpo up` opens Airflow and MLflow")
    if ended.config.registration.enabled:
        print(_promotion_line(layout))


def _promotion_line(run: RunLayout) -> str:
    """What the gates say of the best policy, and what a person can do about it."""
    from dags.pipeline import promotions

    judged = promotions.judge(run)
    champion = judged.champion
    if champion is not None and champion.run == run.uri and champion.policy == judged.policy:
        return f"policy {judged.policy} is champion of {judged.model}, approved by {champion.by}"
    if not judged.gates.passed:
        return f"policy {judged.policy} is not to be champion of {judged.model}: {judged.gates.refused}"
    asked = f"`ddpo promote {run.run_id}` does it"
    return f"policy {judged.policy} passes every gate to be champion of {judged.model}; {judged.needs_person}: {asked}"
