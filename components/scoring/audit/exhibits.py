"""Pictures of which it is known what they show: what an audit asks a reward about.

`drawings` are those of the tiny base. Anything else is a directory with pictures and `prompts.toml`, name = prompt:

    "tabby.png" = "a cat"
    "trio.png" = {text = "three cats", animal = "cat", count = 3}
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from pydantic import Field, ValidationError

from components.core.config import Contract, describe
from components.core.contracts import canonical_json
from components.core.errors import BadRequest, MissingInput
from components.core.records import PromptRow
from components.policy.tiny.activities import ACTIVITIES
from components.policy.tiny.animals import ANIMALS, Subject, draw
from components.policy.tiny.captions import caption

PROMPTS = "prompts.toml"
FEWEST = 4
"""Pictures without which an audit says nothing."""
DRAWINGS = 24
SEED = 5
SPLIT = "audit"


@dataclass(frozen=True)
class Exhibit:
    """A picture, and a prompt that it answers."""

    picture: Image.Image
    prompt: PromptRow


@dataclass(frozen=True)
class Exhibits:
    """What a reward is audited on; exhibit i is held against the picture of exhibit `partner(i)`."""

    name: str
    """For people: where they come from."""
    items: tuple[Exhibit, ...]

    def __post_init__(self) -> None:
        if len(self.items) < FEWEST:
            raise BadRequest(f"{self.name}: {len(self.items)} pictures, and an audit needs at least {FEWEST}")
        for i in range(len(self.items)):
            self.partner(i)

    def partner(self, i: int) -> int:
        """The picture that is wrong for prompt i: about half the list away, with another prompt and another animal."""
        mine, count = self.items[i].prompt, len(self.items)
        for step in range(count):
            j = (i + count // 2 + step) % count
            if _differ(mine, self.items[j].prompt):
                return j
        raise BadRequest(f"{self.name}: no picture is wrong for {mine.text!r}", hint="add pictures of other prompts")

    @property
    def digest(self) -> str:
        """Over the pixels and the prompts."""
        rows = [
            [hashlib.sha256(e.picture.tobytes()).hexdigest(), list(e.picture.size), e.prompt.model_dump(mode="json")]
            for e in self.items
        ]
        return hashlib.sha256(canonical_json(rows)).hexdigest()


class Wanted(Contract):
    """One line of prompts.toml in full."""

    text: str = Field(min_length=1)
    animal: str | None = None
    activity: str | None = None
    count: int | None = Field(default=None, ge=0)


def drawings(count: int = DRAWINGS) -> Exhibits:
    """Animals of the tiny base, evenly from all sixty; every other one does something. 32x32 pixels."""
    items = []
    for i in range(count):
        activity = ACTIVITIES[i // 2 % len(ACTIVITIES)] if i % 2 else None
        subject = Subject(ANIMALS[i * len(ANIMALS) // count], activity)
        picture = draw(subject, np.random.default_rng([SEED, i]))
        wanted = Wanted(text=caption(subject), animal=subject.animal, activity=activity)
        items.append(Exhibit(picture, _row(wanted, i)))
    return Exhibits(f"{count} drawings of the tiny base", tuple(items))


def from_directory(directory: Path) -> Exhibits:
    """The pictures that `prompts.toml` names. Raises MissingInput or BadRequest, naming the file and the line."""
    file = directory / PROMPTS
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise MissingInput(f"no {PROMPTS} in {directory}", hint='one line a picture: "cat.png" = "a cat"') from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"{file} is not TOML: {error}") from None
    items = tuple(_exhibit(directory, name, line, i) for i, (name, line) in enumerate(tree.items()))
    return Exhibits(f"{len(items)} pictures of {directory.resolve().name}", items)


def _exhibit(directory: Path, name: str, line: object, i: int) -> Exhibit:
    try:
        wanted = Wanted.model_validate({"text": line} if isinstance(line, str) else line)
    except ValidationError as error:
        raise BadRequest(f"{directory / PROMPTS}, {name!r}: {describe(error)}") from None
    try:
        picture = Image.open(directory / name)
        rgb = picture.convert("RGB")
    except FileNotFoundError:
        raise MissingInput(f"no {name} in {directory}, though {PROMPTS} names it") from None
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise BadRequest(f"{directory / name} is no picture: {error}") from None
    rgb.format = picture.format
    return Exhibit(rgb, _row(wanted, i))


def _row(wanted: Wanted, i: int) -> PromptRow:
    slug = re.sub(r"[^a-z0-9]+", "-", wanted.text.lower()).strip("-") or "prompt"
    return PromptRow(prompt_id=slug[:60], index=i, split=SPLIT, **wanted.model_dump())


def _differ(one: PromptRow, other: PromptRow) -> bool:
    """Whether a picture of the one is wrong for the other: another text, and where both name something, another one."""
    same = [
        a is not None and a == b
        for a, b in ((one.animal, other.animal), (one.activity, other.activity))
        if one.count is None and other.count is None
    ]
    return one.text != other.text and not any(same) and (one.count is None or one.count != other.count)
