"""Keep the terminal for people: what libraries print goes to a log file, down to the file descriptors."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import TextIO

STDOUT, STDERR = 1, 2


class Diverted:
    """While it is open, stdout and stderr of this process lead to `log`; `terminal` is where stdout led before."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._saved: tuple[int, int] = (-1, -1)
        self.terminal: TextIO = sys.stdout

    def __enter__(self) -> Diverted:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        sys.stdout.flush()
        sys.stderr.flush()
        self._saved = (os.dup(STDOUT), os.dup(STDERR))
        self.terminal = os.fdopen(os.dup(STDOUT), "w", encoding="utf-8", errors="replace")
        self.to(self.log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.terminal.close()
        self.terminal = sys.stdout
        for saved, standard in zip(self._saved, (STDOUT, STDERR), strict=True):
            os.dup2(saved, standard)
            os.close(saved)

    def to(self, path: Path) -> None:
        """Lead stdout and stderr to the end of this file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        sys.stdout.flush()
        sys.stderr.flush()
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o664)
        os.dup2(target, STDOUT)
        os.dup2(target, STDERR)
        os.close(target)

    def back(self) -> None:
        """Lead them to the log of the whole."""
        self.to(self.log)
