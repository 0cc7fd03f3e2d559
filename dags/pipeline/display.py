"""What a person sees while a run goes on: a table that grows, and a progress bar where there is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from components.core.campaign import Campaign
from dags.pipeline.progress import COLUMNS, WIDTHS, Row, rows


def line(cells: tuple[str, ...]) -> str:
    """One line of the table.

    >>> line(("start", "0", "1.082 ± 0.051", "", "0.78", "", "", ""))
    '    start        0      1.082 ± 0.051                          0.78'
    """
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


class Display:
    """Lines are printed once and stay; below them, on a terminal, a bar says what is running."""

    def __init__(self, terminal: TextIO, total: int) -> None:
        self.console = Console(file=terminal, highlight=False, soft_wrap=True)
        self._shown = 0
        self._started_with_head = False
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self.console,
            transient=True,
            speed_estimate_period=3600,  # an iteration may take minutes
            redirect_stdout=False,  # they lead to logs, and stay there
            redirect_stderr=False,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=total)

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """A line above the bar."""
        self.console.print(text, markup=False)

    def doing(self, task_id: str) -> None:
        """What is running now."""
        self._bar.update(self._task, description=f"{task_id:<26}")  # as wide as the longest: the bar stays in place

    def update(self, state: Campaign) -> None:
        """Show the lines that are new."""
        self._bar.update(self._task, completed=state.next_iteration, total=state.iterations)
        if not self._started_with_head:
            self.say(line(COLUMNS))
            self._started_with_head = True
        for row in self._new(state):
            self.say(line(row.cells()))

    def _new(self, state: Campaign) -> list[Row]:
        lines = rows(state, since=self._shown - 1 if self._shown else None)
        self._shown = len(state.trained) + 1
        return lines


class OneOfMany(Display):
    """A run among others: its table stays in the store, and the bar says which of them it is."""

    def __init__(self, terminal: TextIO, total: int, *, name: str) -> None:
        super().__init__(terminal, total)
        self._name = name

    def doing(self, task_id: str) -> None:
        """What is running now, and of which run."""
        self._bar.update(self._task, description=f"{self._name}  {task_id:<26}")

    def update(self, state: Campaign) -> None:
        """Only the bar."""
        self._bar.update(self._task, completed=state.next_iteration, total=state.iterations)


class Bytes:
    """A bar of bytes that move, on a terminal's error stream; nothing elsewhere."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            transient=True,
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Bytes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def of(self, total: int) -> Callable[[int], None]:
        """Begin, of so many bytes; what is answered is told how many more have moved."""
        self._bar.start()
        task = self._bar.add_task(self._description, total=total)
        return lambda count: self._bar.advance(task, count)
