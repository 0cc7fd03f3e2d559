"""A user's own prompts: a UTF-8 text file, one prompt a line. Blank lines are skipped; order does not matter.

Every refusal names the file, the line and what to do about it.
"""

from __future__ import annotations

from pathlib import Path

from components.core import store
from components.core.errors import BadRequest, MissingInput
from components.prompts.held_out import recognise
from components.prompts.wording import Prompt

LONGEST = 1000
"""Characters: far beyond what any text encoder reads."""


def read_prompt_file(place: str) -> list[tuple[str, Prompt]]:
    """("file, line n", prompt) for each line. `place` is a path, or a URI on s3:// or file://.

    Raises BadRequest if there is no such file, or it is empty, not UTF-8, or names one prompt twice.
    """
    lines = _decode(_read(place), place).split("\n")
    prompts = [
        (f"{place}, line {number}", _prompt(line, f"{place}, line {number}"))
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not prompts:
        raise BadRequest(f"{place} holds no prompt", hint="write one prompt a line")
    first: dict[str, str] = {}
    for where, prompt in prompts:
        if (before := first.setdefault(prompt.id, where)) != where:
            raise BadRequest(
                f"{where}: {prompt.text!r} is the prompt of {before.rpartition(', ')[2]} again (id {prompt.id})",
                hint="remove one of the two",
            )
    return prompts


def _read(place: str) -> bytes:
    if "://" in place:
        try:
            return store.read(place)
        except MissingInput:
            raise BadRequest(f"no prompt file at {place}") from None
    try:
        return Path(place).expanduser().read_bytes()
    except OSError as error:
        raise BadRequest(f"prompt file {place} cannot be read: {error.strerror}") from None


def _decode(data: bytes, place: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadRequest(f"{place}, line {line}: not UTF-8", hint="save the file as UTF-8") from None


def _prompt(line: str, where: str) -> Prompt:
    text = " ".join(line.split())
    if not text.isprintable():
        raise BadRequest(f"{where}: {text!r} has a control character", hint="remove it")
    if len(text) > LONGEST:
        raise BadRequest(f"{where}: {len(text)} characters are more than {LONGEST}", hint="is it one prompt a line?")
    return recognise(text)
