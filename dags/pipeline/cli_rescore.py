"""`ddpo rescore`: another reward's opinion of pictures that are there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dags.pipeline.cli_app import Run, app, layout_of, places

if TYPE_CHECKING:
    from components.core.config import RewardConfig
    from components.core.rescoring import What

Option = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="One of the reward's options, as often as you like."),
]
Options = Annotated[str, typer.Option("--options", metavar="JSON", help="All of its options.")]


@app.command()
def rescore(
    run: Run,
    reward: Annotated[str, typer.Option("--reward", help="A reward or judge by name, or package.module:Class.")],
    option: Option = None,
    options: Options = "{}",
    evaluation: Annotated[bool, typer.Option("--evaluation", help="The evaluations' pictures: the default.")] = False,
    training: Annotated[bool, typer.Option("--training", help="The iterations' pictures.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Both.")] = False,
    every: Annotated[int, typer.Option("--every", min=1, help="Of the iterations only each n-th, and the last.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="The table for programs.")] = False,
) -> None:
    """Score the stored pictures of a run with another reward or judge, and compare the two.

    Nothing else changes. What is scored already is not scored again. Through the real DAG, ddpo_rescore.

    \b
    ddpo rescore demo --reward alignment
    ddpo rescore demo --reward jpeg_compressibility --option quality=80 --all
    """
    from components.core import campaign, rescoring
    from dags.pipeline import driver
    from dags.pipeline import rescoring as stored
    from dags.pipeline.dag_names import RESCORE_DAG, rescoring_run_id

    state = campaign.load(layout_of(run))
    scorer = scorer_of(reward, option or (), options)
    what: What = "all" if everything or (evaluation and training) else "training" if training else "evaluation"
    planned = stored.plan(state, scorer, what, every=every)
    said = f"{len(planned.requests)} shards to be scored with {reward}, {planned.done} are scored already"
    typer.echo(f"run {state.run.run_id}: {said}", err=json)
    for prefix in planned.undrawn:
        typer.echo(f"left out, its pictures are not committed: {prefix}", err=True)
    if planned.requests:
        conf = {"reward": reward, "options": dict(scorer.options), "what": what, "every": every}
        name = rescoring_run_id(state.run, rescoring.scorer_name(scorer), what)
        driver.drive_once(state.run, places(), RESCORE_DAG, name, conf, len(planned.requests))
    table = rescoring.commit_table(state, scorer)
    print(table.model_dump_json(indent=1) if json else stored.as_text(table))


def scorer_of(reward: str, option: list[str] | tuple[str, ...], options: str) -> RewardConfig:
    """A reward and its options, from the command line. Raises BadRequest for what is no option."""
    import json

    from components.core.config import RewardConfig, apply_override
    from components.core.errors import BadRequest

    try:
        tree: Any = json.loads(options)
    except json.JSONDecodeError as error:
        raise BadRequest(f"--options is no JSON: {error}", hint="""write it as --options '{"quality": 80}'""") from None
    if not isinstance(tree, dict):
        raise BadRequest(f"--options is no JSON object: {options:.80}")
    for one in option:
        apply_override(tree, one)
    return RewardConfig(name=reward, options=tree)
