"""The figure of a comparison: a column a reward; gain, what judges and diversity keep, scores, an algorithm a colour.

Every algorithm has one colour, marker and dash in all panels, and its name at the end of its line: nothing is told by
colour alone. Lines are means over the seeds, bands reach from the least to the largest seed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import matplotlib
import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from components.core.comparison import KeepConfig
from components.core.comparison_scores import Evaluated, ScoredRun
from components.core.comparison_table import Table
from components.evaluation.comparison_report.words import reward_title
from components.evaluation.report.figure import COLOUR, DASHES, SHAPES, STYLE, apart, shown, themed
from components.evaluation.report.vocabulary import signed

PANEL, LEFT, RIGHT, LETTER = 330, 40, 24, 8
"""Pixels: width of a panel; room beside it, besides that for names; of a letter of a name."""
TOP, GAINS, KEPT, ROW, BETWEEN, BELOW = 44, 250, 110, 27, 24, 48
"""Pixels: room for the reward's name, heights of the panels, of a row of scores, between panels, below an axis."""
DPI = 160
"""Of the PNG; the SVG has 72, so that a point is a pixel."""
BAND = 0.15
"""Opacity of a band."""


@dataclass(frozen=True)
class Kept:
    """Something of the base that a policy must keep."""

    label: str
    of: Callable[[Evaluated], float]
    limit: Callable[[KeepConfig], float]
    most: float
    """Where the panel ends: what lies above is as good."""


JUDGES = Kept("judges, share\nof the base", lambda e: e.kept, lambda keep: keep.judges, most=1.1)
DIVERSITY = Kept("diversity, share\nof the base", lambda e: e.diversity or 0.0, lambda keep: keep.diversity, most=1.5)


def svg(table: Table) -> str:
    """The figure as an SVG element that follows the page's colours."""
    spoken = "; ".join(
        f"{row.algorithm} on {row.reward}: score {row.score:.2f}, seeds from {row.low:.2f} to {row.high:.2f}"
        for row in table.rows
    )
    return themed(_drawn(table, "svg").decode(), title="comparison", spoken=spoken)


def picture(table: Table, kind: Literal["png", "svg"]) -> bytes:
    """The figure as a file of its own, on white."""
    return _drawn(table, kind, facecolor="white")


def _drawn(table: Table, kind: Literal["png", "svg"], facecolor: str = "none") -> bytes:
    rewards = [base.reward for base in table.bases]
    algorithms = list(dict.fromkeys(run.algorithm for run in table.runs))
    diverse = any(e.diversity is not None for run in table.runs for e in run.evaluations)
    scores = ROW * (len(algorithms) + 1)
    names = LETTER * max(len(algorithm) for algorithm in [*algorithms, "not counted"])
    column = LEFT + names + PANEL + RIGHT + names
    width = column * len(rewards)
    height = TOP + GAINS + (BETWEEN + KEPT) * (1 + diverse) + BELOW + BETWEEN + scores + BELOW
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        canvas = Canvas(figsize=(width / 72, height / 72), dpi=72, facecolor=facecolor)

        def panel(number: int, top: float, tall: float) -> Axes:
            left = number * column + LEFT + names
            return canvas.add_axes(
                (left / width, 1 - (top + tall) / height, PANEL / width, tall / height), facecolor="none"
            )

        for number, reward in enumerate(rewards):
            runs = [run for run in table.runs if run.reward == reward]
            _gains(panel(number, TOP, GAINS), table, runs, algorithms, reward, first=not number)
            beneath = TOP + GAINS + BETWEEN
            judges = panel(number, beneath, KEPT)
            _kept(judges, table, runs, algorithms, JUDGES, last=not diverse, first=not number)
            if diverse:
                beneath += KEPT + BETWEEN
                diversity = panel(number, beneath, KEPT)
                _kept(diversity, table, runs, algorithms, DIVERSITY, last=True, first=not number)
            _scores(panel(number, beneath + KEPT + BELOW + BETWEEN, scores), table, algorithms, reward)
        canvas.align_ylabels()
        buffer = io.BytesIO()
        metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        canvas.savefig(buffer, format=kind, dpi=72 if kind == "svg" else DPI, metadata=metadata)
    return buffer.getvalue()


def _gains(
    axes: Axes, table: Table, runs: Sequence[ScoredRun], algorithms: Sequence[str], reward: str, *, first: bool
) -> None:
    """Held-out gain over reward queries; hollow where a seed's policy does not count."""
    axes.set_title(reward_title(reward), loc="left", color=COLOUR["ink"], fontsize=14, fontweight="bold", pad=14)
    ends = _lines(axes, runs, algorithms, lambda e: e.held_out, table.keep)
    axes.axhline(0, color=COLOUR["soft"], linewidth=1, linestyle=(0, (5, 4)), zorder=1)
    axes.margins(y=0.08)
    _frame(axes, table, last=False)
    axes.yaxis.set_major_locator(ticker.MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: shown(round(v, 12))))
    if first:
        axes.set_ylabel("held-out gain, sd of the base", color=COLOUR["soft"], labelpad=8)
    axes.annotate(
        "base", (0, 0), xytext=(3, -4), textcoords="offset points", va="top", color=COLOUR["soft"], fontsize=11
    )
    _names(axes, algorithms, ends)


def _kept(
    axes: Axes,
    table: Table,
    runs: Sequence[ScoredRun],
    algorithms: Sequence[str],
    kept: Kept,
    *,
    last: bool,
    first: bool,
) -> None:
    """What is left of something that the base had; below the rule nothing counts."""
    limit = kept.limit(table.keep)
    _lines(axes, runs, algorithms, kept.of, table.keep, clip=True)
    values = [kept.of(e) for run in runs for e in run.evaluations]
    low, high = min([*values, limit]), min(max([*values, 1.0]), kept.most)
    room = max(0.06 * (high - low), 0.02)
    axes.set_ylim(low - 2.5 * room, high + room)
    axes.axhspan(low - 2.5 * room, limit, color=COLOUR["bad"], alpha=0.06, linewidth=0, zorder=0)
    axes.axhline(limit, color=COLOUR["bad"], linewidth=1, linestyle=(0, (5, 4)), zorder=1)
    _frame(axes, table, last=last)
    axes.yaxis.set_major_locator(ticker.MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: shown(v, percent=True)))
    axes.annotate(
        f"below {shown(limit, percent=True)}\nnot counted",
        (1, limit),
        xycoords=("axes fraction", "data"),
        xytext=(10, 0),
        textcoords="offset points",
        va="center",
        color=COLOUR["bad"],
        fontsize=11,
    )
    if first:
        axes.set_ylabel(kept.label, color=COLOUR["soft"], labelpad=8)


def _lines(
    axes: Axes,
    runs: Sequence[ScoredRun],
    algorithms: Sequence[str],
    of: Callable[[Evaluated], float],
    keep: KeepConfig,
    *,
    clip: bool = False,
) -> dict[str, float]:
    """Mean and band of each algorithm; returns where its line ends."""
    ends = {}
    for number, algorithm in enumerate(algorithms):
        mine = [run for run in runs if run.algorithm == algorithm]
        if not mine:
            continue
        length = min(len(run.evaluations) for run in mine)
        x = [e.reward_queries for e in mine[0].evaluations[:length]]
        values = np.array([[of(e) for e in run.evaluations[:length]] for run in mine])
        counts = [all(run.evaluations[i].counts(keep) for run in mine) for i in range(length)]
        colour, style = COLOUR[f"c{number % 6 + 1}"], number % len(SHAPES)
        mean = values.mean(axis=0)
        axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=colour, alpha=BAND, linewidth=0, zorder=2)
        axes.plot(x, mean, color=colour, linewidth=2, linestyle=DASHES[style], zorder=3)
        for place, value, filled in zip(x, mean, counts, strict=True):
            axes.plot(
                [place],
                [value],
                marker=SHAPES[style],
                markersize=7 if filled else 6.5,
                color=colour if filled else COLOUR["card"],
                markeredgecolor=COLOUR["card"] if filled else colour,
                markeredgewidth=1.1 if filled else 1.5,
                linestyle="",
                clip_on=clip,
                zorder=4,
            )
        ends[algorithm] = float(mean[-1])
    return ends


def _scores(axes: Axes, table: Table, algorithms: Sequence[str], reward: str) -> None:
    """A row an algorithm, the best above: each seed a dot, their mean a bar's end, and the base at 0."""
    rows = table.of(reward)
    names = [*(row.algorithm for row in rows), "base"]
    for height, row in enumerate(rows):
        number = algorithms.index(row.algorithm)
        colour, shape = COLOUR[f"c{number % 6 + 1}"], SHAPES[number % len(SHAPES)]
        axes.barh(height, row.score, height=0.5, color=colour, alpha=0.28, linewidth=0, zorder=2)
        axes.plot(row.scores, [height] * len(row.scores), shape, color=colour, markersize=6.5, zorder=4,
                  markeredgecolor=COLOUR["card"], markeredgewidth=1, clip_on=False)  # fmt: skip
        axes.annotate(
            f"{signed(row.score)} sd", (1, height), xycoords=("axes fraction", "data"), xytext=(10, 0),
            textcoords="offset points", va="center", color=colour, fontweight="bold",
        )  # fmt: skip
    axes.annotate(
        "0", (1, len(rows)), xycoords=("axes fraction", "data"), xytext=(10, 0), textcoords="offset points",
        va="center", color=COLOUR["soft"],
    )  # fmt: skip
    axes.axvline(0, color=COLOUR["soft"], linewidth=1, linestyle=(0, (5, 4)), zorder=3)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    highest = max([score for row in rows for score in row.scores] + [0.0])
    axes.set_xlim(0, highest * 1.06 or 1)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: shown(round(v, 12))))
    axes.grid(axis="x", color=COLOUR["faint"], linewidth=1)
    _spines(axes)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color(COLOUR[f"c{algorithms.index(name) % 6 + 1}"] if name in algorithms else COLOUR["soft"])
    axes.set_xlabel("score: the best held-out gain that counts, sd of the base", color=COLOUR["soft"], labelpad=3)


def _frame(axes: Axes, table: Table, *, last: bool) -> None:
    """Both panels over reward queries have one x axis."""
    axes.set_xlim(0, table.reward_queries * 1.01)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: shown(v)))
    axes.grid(axis="y", color=COLOUR["faint"], linewidth=1)
    _spines(axes)
    axes.tick_params(labelbottom=last)
    if last:
        axes.set_xlabel("reward queries", color=COLOUR["soft"], labelpad=3)


def _spines(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(COLOUR["soft"])
    axes.tick_params(colors=COLOUR["soft"], labelcolor=COLOUR["soft"], length=4)
    axes.tick_params(axis="y", length=0, pad=8)


def _names(axes: Axes, algorithms: Sequence[str], ends: dict[str, float]) -> None:
    """Each algorithm's name at the end of its line, pushed apart where two would meet."""
    bottom = float(axes.transData.transform((0, axes.get_ylim()[0]))[1])
    heights = [float(axes.transData.transform((0, end))[1]) for end in ends.values()]
    for algorithm, height in zip(ends, apart(heights), strict=True):
        axes.annotate(
            algorithm,
            (1, 0),
            xycoords="axes fraction",
            xytext=(10, height - bottom),
            textcoords="offset points",
            va="center",
            color=COLOUR[f"c{algorithms.index(algorithm) % 6 + 1}"],
            fontweight="bold",
        )
