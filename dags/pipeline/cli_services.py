"""`ddpo` commands for the services on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from dags.pipeline.cli_app import app, places


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
