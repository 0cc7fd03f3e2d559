"""Rewards by name: the built-in ones, those that installed packages bring, and any class by its dotted path.

A package brings a reward by an entry point of the group `ddpo.rewards`; nothing is imported before it is asked for.
A label after a slash tells two of one kind apart, as reward and as judge: `remote/hps`, `remote/image_reward`.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any

from components.core.errors import BadRequest

GROUP = "ddpo.rewards"
BUILT_IN = {
    "jpeg_compressibility": "components.scoring.rewards.jpeg:JpegCompressibility",
    "jpeg_incompressibility": "components.scoring.rewards.jpeg:JpegIncompressibility",
    "alignment": "components.scoring.rewards.alignment:Alignment",
    "counting": "components.scoring.rewards.counting:Counting",
    "aesthetic": "components.scoring.rewards.aesthetic:Aesthetic",
    "clip_score": "components.scoring.rewards.clip_score:ClipScore",
    "pick_score": "components.scoring.rewards.pick_score:PickScore",
    "hps": "components.scoring.rewards.hps:Hps",
    "image_reward": "components.scoring.rewards.image_reward:ImageReward",
    "judge": "components.scoring.rewards.judge:ZeroShotJudge",
    "remote": "components.scoring.rewards.remote:Remote",
    "combined": "components.scoring.rewards.combined:Combined",
    "safety": "components.scoring.rewards.safety:Safety",
    "text_masked": "components.scoring.rewards.text_masked:TextMasked",
}
MEMBERS = ("Options", "identity", "score")


def reward_names() -> list[str]:
    """Names that can be asked for without a dotted path."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def unlabelled(name: str) -> str:
    """A name without its label.

    >>> unlabelled("remote/hps"), unlabelled("mine.rewards:Colour/heavy"), unlabelled("judge")
    ('remote', 'mine.rewards:Colour', 'judge')
    """
    return name.partition("/")[0]


def find_reward(name: str) -> Any:
    """The class behind a name, whatever its label.

    Raises BadRequest if there is none, it cannot be imported, or it is no reward.
    """
    name = unlabelled(name)
    path = BUILT_IN.get(name) or next((p.value for p in entry_points(group=GROUP) if p.name == name), name)
    module, separator, attribute = path.partition(":")
    if not separator:
        raise BadRequest(
            f"no reward named {name!r}", hint=f"there is {', '.join(reward_names())}, or package.module:Class"
        )
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise BadRequest(f"reward {name!r} cannot be imported: {error}", hint="is its package installed?") from error
    if lacking := [member for member in MEMBERS if not hasattr(found, member)]:
        raise BadRequest(f"{path} is no reward: it has no {', '.join(lacking)}", hint="see docs/adding-a-reward.md")
    return found
