"""The frozen lists in `data`, and the prompts that they spell out."""

from __future__ import annotations

import tomllib
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError, model_validator

from components.core.config import Contract, describe
from components.core.errors import BadRequest
from components.prompts.wording import Prompt, compose, compose_object

DATA = Path(__file__).parent / "data"

Template = Literal["animal", "activity", "counting"]


class TrainingList(Contract):
    """What training draws from, for every template."""

    kind: Literal["training"]
    animals: tuple[str, ...]
    activities: str
    """Name of the list of activities: each animal does each of them."""
    counting: str
    """Name of the list of numbers and countable animals."""


class ActivityList(Contract):
    """What animals do."""

    kind: Literal["activities"]
    activities: tuple[str, ...]


class CountingList(Contract):
    """Numbers and the animals that are counted: each with each."""

    kind: Literal["counting"]
    numbers: tuple[int, ...]
    animals: tuple[str, ...]


class Block(Contract):
    """Prompts of one split that share an activity or a number; or objects, which do nothing and are not counted."""

    split: str
    animals: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    activity: str | None = None
    count: int | None = None

    @model_validator(mode="after")
    def _is_about_one_kind(self) -> Block:
        if bool(self.animals) == bool(self.objects) or (self.objects and (self.activity or self.count)):
            raise ValueError(f"a block of {self.split} names either animals, or objects without activity and count")
        return self

    def prompts(self) -> list[Prompt]:
        """One prompt an animal or an object."""
        animals = [compose(animal, self.activity, self.count) for animal in self.animals]
        return animals + [compose_object(name) for name in self.objects]


class HeldOut(Contract):
    """What training must never mention."""

    animals: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()


class EvaluationSet(Contract):
    """What policies are compared on, for every template."""

    kind: Literal["evaluation"]
    held_out: HeldOut
    animal: tuple[Block, ...]
    activity: tuple[Block, ...]
    counting: tuple[Block, ...]

    def prompts(self, template: Template) -> list[tuple[str, Prompt]]:
        """(split, prompt) of one template, split by split."""
        blocks: tuple[Block, ...] = getattr(self, template)
        splits = dict.fromkeys(block.split for block in blocks)
        return [(split, prompt) for split in splits for b in blocks if b.split == split for prompt in b.prompts()]


List = TypeVar("List", TrainingList, ActivityList, CountingList, EvaluationSet)


def load_list(name: str, kind: type[List]) -> List:
    """The frozen list of this name. Raises BadRequest, naming those of this kind, if there is none."""
    if name not in list_names(kind):
        wanted = _kind(kind)
        raise BadRequest(f"no {wanted} list named {name!r}", hint=f"there is {', '.join(list_names(kind))}")
    try:
        return kind.model_validate(_tables()[name])
    except ValidationError as error:
        raise BadRequest(f"{name}.toml: {describe(error)}") from None


def list_names(kind: type[Contract]) -> list[str]:
    """Names of the lists of a kind."""
    return [name for name, table in _tables().items() if table["kind"] == _kind(kind)]


def spell_out(training: TrainingList, template: Template) -> list[Prompt]:
    """Every prompt that a training list gives with a template, in the list's order."""
    if template == "animal":
        return [compose(animal) for animal in training.animals]
    if template == "activity":
        activities = load_list(training.activities, ActivityList).activities
        return [compose(animal, activity) for animal, activity in product(training.animals, activities)]
    counting = load_list(training.counting, CountingList)
    return [compose(animal, count=number) for animal, number in product(counting.animals, counting.numbers)]


@cache
def known_animals() -> frozenset[str]:
    """Every animal of every list."""
    listed = (load_list(name, TrainingList).animals for name in list_names(TrainingList))
    held_out = (load_list(name, EvaluationSet).held_out.animals for name in list_names(EvaluationSet))
    return frozenset().union(*listed, *held_out)


@cache
def known_activities() -> frozenset[str]:
    """Every activity of every list."""
    listed = (load_list(name, ActivityList).activities for name in list_names(ActivityList))
    held_out = (load_list(name, EvaluationSet).held_out.activities for name in list_names(EvaluationSet))
    return frozenset().union(*listed, *held_out)


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(DATA.glob("*.toml"))}


def _kind(kind: type[Contract]) -> str:
    (name,) = kind.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]  # a Literal of one
    return str(name)
