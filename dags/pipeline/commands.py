"""How the `ddpo` command line ends: an expected error is one line, an unexpected one names a log file."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from components.core import deployment
from components.core.errors import StepError
from dags.pipeline.redaction import redacted, redacted_traceback

UNEXPECTED = 70


class Commands(TyperGroup):
    """The group behind `ddpo`. `--store` and `--debug` may stand anywhere."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the options of `ddpo` itself to the front."""
        ours, rest = [], []
        remaining = iter(args)
        for arg in remaining:
            if arg == "--debug" or arg.startswith("--store="):
                ours.append(arg)
            elif arg == "--store":
                ours += [arg, *([value] if (value := next(remaining, None)) is not None else [])]
            else:
                rest.append(arg)
        return super().parse_args(ctx, ours + rest)

    def invoke(self, ctx: Any) -> Any:
        """Run a command, and say in one line how it failed."""
        try:
            return super().invoke(ctx)
        except StepError as error:
            if ctx.params.get("debug"):
                print(redacted_traceback(error), file=sys.stderr)
            fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            fail("interrupted", 130)
        except Exception as error:
            if isinstance(error, typer.Abort) or hasattr(error, "exit_code"):
                raise  # typer's own: a usage error, or the end
            if ctx.params.get("debug"):
                print(redacted_traceback(error), file=sys.stderr)
            fail(f"{type(error).__name__}: {_first_line(error)} (unexpected; {_kept(error)})", UNEXPECTED)


def fail(message: str, code: int) -> None:
    """One line on stderr, and the end."""
    print(f"error: {redacted(message)}", file=sys.stderr, flush=True)
    raise typer.Exit(code)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300]


def _kept(error: Exception) -> str:
    """Write the traceback to a log file and say which."""
    try:
        directory = deployment.from_environment().logs
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"ddpo-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
        with Path(path).open("w", encoding="utf-8") as file:
            file.write(f"{redacted(' '.join(sys.argv))}\n\n{redacted_traceback(error)}")
    except (OSError, StepError) as problem:
        return f"--debug shows more, and no log could be written: {problem}"
    return f"its traceback is in {path}; --debug shows it"
