"""`ddpo` commands that bring a model to where the steps run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dags.pipeline.cli_app import Changes, Preset, app, own_process, places


@app.command()
def mirror(
    model: Annotated[str, typer.Argument(metavar="MODEL@COMMIT", help="A hub id, and the commit to take.")],
    source: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="A directory that has the files. Default: the hub.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="Under which licence it is. Default: what its model card says.")
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="PATTERN", help="Also these files: pickles are taken by name only."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="PATTERN", help="These files, and nothing else.")
    ] = None,
) -> None:
    """Put a model's weights into the store, where steps without the hub find them. Again is fine, and does nothing.

    \b
    ddpo mirror CompVis/stable-diffusion-v1-4@133a221b8aa7292a167afc5127cb63fb5005638b
    ddpo mirror me/animals --from ./animals --licence apache-2.0       its revision is then its content's sha256
    """
    from dags.pipeline import mirroring
    from dags.pipeline.display import Bytes

    with Bytes("to the store") as bar:
        mirrored = mirroring.mirror(
            places().store,
            model,
            directory=source,
            licence=licence,
            include=include or (),
            only=only or (),
            counter=bar.of,
        )
    print(mirroring.said(mirrored))


@app.command()
def fit(
    preset: Preset,
    change: Changes = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="Time to try sizes in, for sampling and for training each.")
    ] = 120.0,
) -> None:
    """Find the batch sizes that this machine's memory takes, and how fast they are, by trying. Changes nothing.

    \b
    ddpo fit sd15-aesthetic
    ddpo fit demo --set training.lora.rank=16
    """
    from dags.pipeline import presets as shelf

    config = shelf.resolve(preset, change or ())
    options = [f"--config={config.model_dump_json()}", f"--seconds={seconds}"]
    raise typer.Exit(own_process("components.training.fitting", options))
