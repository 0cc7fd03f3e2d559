"""A user's own prompts: a UTF-8 text file, one prompt a line. Blank lines are skipped; order does not matter.

The file is frozen when its run is opened, and read from there: what becomes of the user's copy changes nothing. Every
refusal names the user's file, the line and what to do about it.
"""

from __future__ import annotations

from components.core.errors import BadRequest
from components.prompts.held_out import recognise
from components.prompts.wording import Prompt

LONGEST = 1000
"""Characters: far beyond what any text encoder reads."""


def parse_prompts(data: bytes, name: str) -> list[tuple[str, Prompt]]:
    """("file, line n", prompt) for each line. `name` is what the user calls the file.

    Raises BadRequest if it is empty, not UTF-8, or names one prompt twice.
    """
    lines = _decode(data, name).split("\n")
    prompts = [
        (f"{name}, line {number}", _prompt(line, f"{name}, line {number}"))
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not prompts:
        raise BadRequest(f"{name} holds no prompt", hint="write one prompt a line")
    first: dict[str, str] = {}
    for where, prompt in prompts:
        if (before := first.setdefault(prompt.id, where)) != where:
            raise BadRequest(
                f"{where}: {prompt.text!r} is the prompt of {before.rpartition(', ')[2]} again (id {prompt.id})",
                hint="remove one of the two",
            )
    return prompts


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadRequest(f"{name}, line {line}: not UTF-8", hint="save the file as UTF-8") from None


def _prompt(line: str, where: str) -> Prompt:
    text = " ".join(line.split())
    if not text.isprintable():
        raise BadRequest(f"{where}: {text!r} has a control character", hint="remove it")
    if len(text) > LONGEST:
        raise BadRequest(f"{where}: {len(text)} characters are more than {LONGEST}", hint="is it one prompt a line?")
    return recognise(text)
