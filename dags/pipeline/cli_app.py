"""What the rooms of the command line share: the app, the arguments that many commands take, and where things are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from components.core.deployment import Deployment
from components.core.layout import RunLayout
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
    ddpo promote demo                   make its best policy champion, if the gates and you agree
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


def places() -> Deployment:
    """Where things are: from the environment, and what that leaves open from the deployment's file."""
    from components.core import deployment
    from dags.pipeline import environment

    environment.current().apply()
    return deployment.from_environment()


def layout_of(run: str) -> RunLayout:
    """A run by its id, or its URI."""
    return RunLayout.of(places().store, run)


def who() -> str:
    """The user's name; empty where this machine does not know it."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def own_process(module: str, arguments: list[str]) -> int:
    """Run a module, with torch in a process of its own; it says itself what is wrong. Returns its exit code."""
    import os
    import subprocess
    import sys

    environment = {"TRANSFORMERS_VERBOSITY": "error"} | os.environ | places().environment()
    code = subprocess.run([sys.executable, "-m", module, *arguments], env=environment).returncode
    return code if code >= 0 else 128 - code


def tool(module: str, run: str, options: dict[str, Any], *, beside: Iterable[str] = ()) -> None:
    """Run a tool on a run of the store and those beside it, with the options that were given, and end as it does."""
    from components.core import campaign

    runs = [f"--run={campaign.load(layout_of(name)).run.uri}" for name in (run, *beside)]
    given = {name: value for name, value in options.items() if value is not None and value is not False}  # 0 is given
    written = [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]
    raise typer.Exit(own_process(module, [*runs, *written]))
