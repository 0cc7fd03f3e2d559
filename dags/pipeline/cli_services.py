"""`ddpo` commands for the services on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from dags.pipeline.cli_app import app, own_process, places


@app.command()
def up(
    port: Annotated[int, typer.Option("--port", help="Airflow's port; a free one near it is taken.")] = 8080,
    mlflow_port: Annotated[int, typer.Option("--mlflow-port", help="MLflow's port, likewise.")] = 5000,
) -> None:
    """Start Airflow and MLflow on this machine, with the runs made so far. `ddpo down` ends them."""
    from dags.pipeline import services

    services.up(places(), port, mlflow_port)


@app.command()
def down() -> None:
    """End what `ddpo up` started, and nothing else."""
    from dags.pipeline import services

    services.down(places())


@app.command("serve-reward")
def serve_reward(
    reward: Annotated[str, typer.Argument(help="A registered reward, or package.module:Class.")],
    options: Annotated[str, typer.Option("--options", metavar="JSON", help="Its options, as in a config.")] = "{}",
    host: Annotated[
        str, typer.Option("--host", help="Any address but loopback wants DDPO_REWARD_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 takes a free one.")] = 8700,
) -> None:
    """Serve a reward over HTTP, for runs whose reward is `remote`: docs/reward-server.md."""
    arguments = [f"--reward={reward}", f"--options={options}", f"--host={host}", f"--port={port}"]
    raise typer.Exit(own_process("components.scoring.server", arguments))
