"""A reward with an image of its own: the scoring step whose request asks for it runs there, and nowhere else.

Which reward a run has is known when its task begins, and not when the DAG is parsed: so the request is read then.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from components.core.config import RewardConfig
from components.core.contracts import ScoringRequest, StepName
from components.core.errors import BadRequest
from components.core.runner import load_request
from dags.pipeline.environment import Environment
from dags.pipeline.exit_codes import scheduled_errors
from dags.pipeline.steps import argv


def own_image(step: StepName, command: list[str], deployment: Environment) -> str | None:
    """The image of the deployment for the rewards that a step's command asks for; None: the step's.

    Fails the task, as the step itself would, if two of them want an image each.
    """
    images = deployment.images.rewards if deployment.images is not None else {}
    *step_command, request = command
    if step != StepName.SCORING or not images or step_command != argv(step, request)[:-1]:
        return None
    with scheduled_errors():
        asked = load_request(step, request)
        assert isinstance(asked, ScoringRequest)
        own = {images[name]: name for scorer in asked.scorers for name in names(scorer) if name in images}
        if len(own) > 1:
            raise BadRequest(
                f"{' and '.join(sorted(own.values()))} have an image each, and one step scores for both",
                hint="one image for both, or serve one of them: docs/reward-server.md",
            )
    return next(iter(own), None)


def names(reward: RewardConfig) -> list[str]:
    """Names of a reward and of those that its options name, without their labels.

    >>> names(RewardConfig(name="combined/both", options={"of": [{"reward": {"name": "mine:Colour"}}]}))
    ['combined', 'mine:Colour']
    """
    return [name.partition("/")[0] for name in (reward.name, *_named(dict(reward.options)))]


def _named(options: JsonValue) -> Iterator[str]:
    if isinstance(options, dict):
        if isinstance(name := options.get("name"), str):
            yield name
        options = list(options.values())
    if isinstance(options, list):
        for inner in options:
            yield from _named(inner)
