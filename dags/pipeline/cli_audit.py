"""`ddpo audit`: what a reward can be fooled by, before a run is paid by it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from dags.pipeline.cli_app import app, own_process, places
from dags.pipeline.cli_rescore import Option, Options, scorer_of


@app.command()
def audit(
    reward: Annotated[str, typer.Argument(help="A reward or judge by name, or package.module:Class.")],
    option: Option = None,
    options: Options = "{}",
    pictures: Annotated[
        Path | None, typer.Option("--pictures", help="Directory with pictures and prompts.toml. Default: drawings.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="HTML file. Default: <reward>-audit.html.")] = None,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", metavar="PROBE=REASON", help="Why a failure of a probe is meant.")
    ] = None,
) -> None:
    """Ask a reward about pictures of which the truth is known: right, wrong, blank, and with words painted on.

    Writes a page and commits the verdict, which the gates of a promotion read. Ends with 1 where it fails.

    \b
    ddpo audit alignment
    ddpo audit clip_score --pictures my-pictures --out clip.html
    ddpo audit jpeg_compressibility --accept blank="a blank picture is what it is to pay for"
    """
    scorer = scorer_of(reward, option or (), options)
    page = out or Path(f"{re.sub(r'[^A-Za-z0-9_.-]', '-', reward)}-audit.html")
    arguments = [f"--reward={reward}", f"--options={json.dumps(scorer.options)}", f"--out={page}"]
    arguments += [f"--store={places().store}", *(f"--accept={one}" for one in accept or ())]
    arguments += [f"--pictures={pictures}"] if pictures else []
    raise typer.Exit(own_process("components.scoring.audit", arguments))
