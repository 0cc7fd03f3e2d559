"""`ddpo` commands that say which policy is a model's champion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dags.pipeline.cli_app import Run, app, layout_of, own_process, places, tool, who

if TYPE_CHECKING:
    from components.core.promotion import Promotion
    from dags.pipeline.promotions import Judgement

REFUSED, REJECTED = 65, 1
"""Exit codes: the gates said no; a person did, or nobody was there to ask."""

Model = Annotated[str, typer.Argument(help="A registered model's name (`ddpo champion` lists them).")]


@app.command()
def promote(
    run: Run,
    policy: Annotated[int | None, typer.Option("--policy", min=1, help="Default: the best one that is fit.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Gates that refuse still refuse.")] = False,
) -> None:
    """Make a policy of a run its model's champion: show the gates, ask, register, promote.

    Without a terminal and without --yes the answer is no. What the gates refuse, nobody can promote.

    \b
    ddpo promote demo
    ddpo promote demo --policy 20 --yes
    """
    from dags.pipeline import promotions
    from dags.pipeline.commands import fail

    judged = promotions.judge(layout_of(run), policy)
    print(promotions.as_text(judged), flush=True)
    if not judged.gates.passed:
        fail(f"not promoted: {judged.gates.refused}", REFUSED)
    if not (yes or _confirmed(judged)):
        fail("rejected: nobody said yes (--yes promotes without asking)", REJECTED)
    for request in promotions.registrations(judged):
        if code := own_process("components.registration", ["--request", request]):
            raise typer.Exit(code)
    promotions.begin(judged.state)
    reason = "approved on the command line" if judged.needs_person else "the gates passed"
    entry = promotions.promote(
        judged.state, judged.policy, expected=judged.expected, by=who() or "unknown", reason=reason
    )
    _announce(entry)


@app.command()
def rollback(
    model: Model,
    reason: Annotated[str, typer.Option("--reason", help="For the log: what was wrong with it.")] = "",
) -> None:
    """Make the champion before champion again.

    \b
    ddpo rollback ddpo-tiny --reason "cats have five legs"
    """
    from components.core import promotion

    entry = promotion.rollback(places().store, model, by=who() or "unknown", reason=reason or "no reason was given")
    _announce(entry)


@app.command()
def champion(
    model: Annotated[str | None, typer.Argument(help="A registered model's name. Default: all of the store.")] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    project: Annotated[bool, typer.Option("--project", help="Also set MLflow's aliases again.")] = False,
) -> None:
    """Show who is champion of a model, and the log of promotions, the newest last.

    \b
    ddpo champion
    ddpo champion ddpo-tiny --json | jq '.[-1].policy_id'
    """
    from components.core import store
    from components.core.layout import promotions as promotions_of
    from dags.pipeline import showing

    root = places().store
    models = [model] if model else store.children(promotions_of(root, "").rstrip("/"))
    print(showing.champions(root, models, as_json=json))
    for name in models if project else ():
        _project(root, name)


@app.command()
def export(
    run: Run,
    out: Annotated[Path, typer.Option("--out", help="Directory to write.")],
    policy: Annotated[int | None, typer.Option("--policy", min=0, help="Default: the best one that is fit.")] = None,
    merged: Annotated[
        bool, typer.Option("--merged", help="The whole pipeline with the adapter merged in, instead of the adapter.")
    ] = False,
) -> None:
    """Write a policy as files that stock diffusers loads, without this project.

    \b
    ddpo export demo --out my-adapter
    ddpo export demo --policy 20 --merged --out my-pipeline
    """
    tool("components.registration.export", run, {"policy": policy, "merged": merged, "out": out})


def _confirmed(judged: Judgement) -> bool:
    """What a person at a terminal answers."""
    import sys

    if not sys.stdin.isatty():
        return False
    if judged.needs_person:
        print(f"a person is asked because {judged.needs_person}")
    return typer.confirm(f"make policy {judged.policy} champion of {judged.model}?", default=False)


def _announce(entry: Promotion) -> None:
    """Say who is champion now, here, to whoever wants to be notified, and in MLflow."""
    from dags.pipeline import notifications, showing

    print(showing.champion_line(entry), flush=True)
    by_rollback = entry.action == "rollback"
    notifications.send(
        notifications.Notification(
            kind="rolled back" if by_rollback else "promoted",
            run=entry.run.rstrip("/").rpartition("/")[2],
            policy=entry.policy,
            model=entry.model,
            text=f"champion of {entry.model}, entry {entry.number}, by {entry.by}: {entry.reason}",
        )
    )
    _project(places().store, entry.model)


def _project(store_uri: str, model: str) -> None:
    from components.core import tracking
    from components.core.errors import Unavailable

    try:
        shown = tracking.project_aliases(store_uri, model)
    except Unavailable as error:
        error.hint = f"the log in the store stands, only MLflow's aliases lag: `ddpo champion {model} --project` later"
        raise
    print(f"models:/{model}@champion is version {shown.champion_version}")
