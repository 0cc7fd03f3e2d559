"""Line charts, drawn by matplotlib as SVG that stands in the page and follows its colours.

matplotlib lays out and draws; its colours then become the style sheet's variables, so that one drawing is right in
light, dark and print. Text stays text: it is read aloud, searched and selected. Every series has its own colour, marker
and dash, and its name at its end: nothing is told by colour alone. The same values give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from components.evaluation.report.vocabulary import MINUS

WIDTH, HEIGHT = 560, 270
SMALL_WIDTH, SMALL_HEIGHT = 320, 190
WIDE_WIDTH, WIDE_HEIGHT = 860, 210
"""Pixels of one chart of the stack; `WIDE_HEIGHT` is each chart's."""
LEFT, TOP, BOTTOM, BETWEEN = 62, 14, 42, 26
AXIS_NAME = 22
"""Further pixels at the left where an axis has a name."""
MARKS_ROOM = 46
"""Pixels above a stack for the names of its marks."""
ASIDE = 4
"""Pixels between the whiskers of two series at the same place, so that both can be read."""
LINE = 14
"""Least distance between two names at the right edge."""
CROWD = 16
"""Points of a series beyond which its markers are smaller."""
LETTER = 7.0
"""Pixels that a letter takes at most, as far as room is made for it."""

PALETTE = {
    "#0072b2": "--c1",
    "#c85200": "--c2",
    "#00805f": "--c3",
    "#a8528a": "--c4",
    "#8a7000": "--c5",
    "#5c6068": "--c6",
    "#5c6069": "--soft",
    "#e5e3de": "--faint",
    "#1c1d20": "--ink",
    "#fffffe": "--card",
    "#b83a1b": "--bad",
    "#00805e": "--good",
    "#9a7400": "--mixed",
}
"""What matplotlib draws with -> the style sheet's variable of that place. Every colour stands for one variable only."""
COLOUR = {variable.removeprefix("--"): colour for colour, variable in PALETTE.items()}
SHAPES = ("o", "s", "D", "^", "v", "P")
DASHES = ("-", (0, (6, 3)), (0, (1, 2)), (0, (8, 3, 2, 3)), (0, (4, 2, 1, 2)), "-")

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
STYLE: dict[Any, Any] = {  # matplotlib types the keys one by one
    "svg.fonttype": "none",
    "svg.hashsalt": "ddpo",  # ids by content, not by chance
    "text.parse_math": False,  # a name with a dollar sign is a name
    "font.size": 12.0,
    "axes.unicode_minus": True,
    "path.simplify": False,
}


@dataclass(frozen=True)
class Point:
    """A value, and the ends of its interval or band."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """One line. `colour` is a number of the style sheet's palette."""

    name: str
    colour: int
    points: tuple[Point, ...]
    measured: bool = False
    """Few points with an interval each: markers and whiskers. Otherwise many points with a band."""


@dataclass(frozen=True)
class Mark:
    """A place on the x axis with a name: a vertical line through every chart of the stack."""

    x: float
    name: str
    colour: str
    """`good`, `mixed`, `bad` or `soft`."""


@dataclass(frozen=True)
class Chart:
    """A titled chart."""

    title: str
    note: str
    series: tuple[Series, ...]
    rules: tuple[tuple[float, str], ...] = ()
    """Horizontal lines and their names: zero, the base, a limit."""
    percent: bool = False
    small: bool = False
    rule_as_floor: bool = False
    """Keep the rules and zero in sight, however small the values are."""
    axis: str = ""
    """Name of the y axis; none where the title says it."""

    @property
    def is_empty(self) -> bool:
        """Nothing to draw."""
        return not any(series.points for series in self.series)


def svg(chart: Chart, *, x_end: float) -> str:
    """The chart as an SVG element; the x axis runs from 0 to at least `x_end`."""
    width, height = (SMALL_WIDTH, SMALL_HEIGHT) if chart.small else (WIDTH, HEIGHT)
    return _drawn((chart,), (), x_end=x_end, width=width, height=height - TOP - BOTTOM, top=TOP)


def stack(charts: Sequence[Chart], marks: Sequence[Mark], *, x_end: float) -> str:
    """Charts one above the other over one x axis, with marks through all of them, as one SVG element."""
    top = MARKS_ROOM if marks else TOP
    return _drawn(charts, marks, x_end=x_end, width=WIDE_WIDTH, height=WIDE_HEIGHT - BOTTOM, top=top)


def shown(value: float, *, percent: bool = False) -> str:
    """A tick's label.

    >>> shown(1500), shown(-0.25), shown(2e-6), shown(0.5, percent=True)
    ('1,500', '−0.25', '2e−6', '50 %')
    """
    if percent:
        text = f"{value * 100:.0f} %"
    elif value and abs(value) < 1e-3:
        mantissa, exponent = f"{value:.1e}".split("e")
        text = f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
    return text.replace("-", MINUS)


def _drawn(charts: Sequence[Chart], marks: Sequence[Mark], *, x_end: float, width: int, height: int, top: int) -> str:
    """Lay out in pixels: the SVG backend has 72 dots an inch, so that a point is a pixel of the view box."""
    left = LEFT + AXIS_NAME * any(chart.axis for chart in charts)
    whole = top + len(charts) * height + (len(charts) - 1) * BETWEEN + BOTTOM
    names = [s.name for chart in charts for s in chart.series if s.name and s.points]
    right = width - max([14.0] + [20 + LETTER * len(name) for name in names])
    end = max([x_end, 1.0] + [p.x for chart in charts for s in chart.series for p in s.points])
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        canvas = Canvas(figsize=(width / 72, whole / 72), dpi=72, facecolor="none")
        for number, chart in enumerate(charts):
            bottom = whole - top - (number + 1) * height - number * BETWEEN
            place = (left / width, bottom / whole, (right - left) / width, height / whole)
            axes = canvas.add_axes(place, facecolor="none")
            axes.set_xlim(0, end * 1.01)
            _frame(axes, chart, last=number == len(charts) - 1)
            for drawn in chart.series:
                _series(axes, drawn)
            _rules(axes, chart)
            _names(axes, chart)
            _marks(axes, marks, named=number == 0)
        canvas.align_ylabels()
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    spoken = " ".join(f"{chart.title}. {_spoken(chart)}." for chart in charts)
    return themed(buffer.getvalue(), title=charts[0].title, spoken=spoken)


def _frame(axes: Axes, chart: Chart, *, last: bool) -> None:
    """Scale, grid and ticks. A share's scale stays between 0 and 1, where its values do."""
    low, high = _limits(chart)
    share = chart.percent and low >= 0 and high <= 1
    count = 3 if chart.small else 5
    locator = ticker.MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10])
    margin = 0.07 * (high - low)
    axes.set_ylim(low - margin if not share else max(low - margin, -0.04), high + margin if not share else 1.04)
    axes.yaxis.set_major_locator(ticker.FixedLocator([0, 0.25, 0.5, 0.75, 1.0]) if share and low < 0.5 else locator)
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: shown(round(v, 12), percent=chart.percent)))
    if share:
        axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= round(tick, 9) <= 1])
    axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=count + 1, steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: shown(v)))
    axes.grid(axis="y", color=COLOUR["faint"], linewidth=1)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(COLOUR["soft"])
    axes.tick_params(colors=COLOUR["soft"], labelcolor=COLOUR["soft"], length=4, labelbottom=last)
    axes.tick_params(axis="y", length=0, pad=8)
    if chart.axis:
        axes.set_ylabel(chart.axis, color=COLOUR["soft"], labelpad=6)
    if last:
        axes.set_xlabel("reward queries", color=COLOUR["soft"], labelpad=3)


def _limits(chart: Chart) -> tuple[float, float]:
    """Least and greatest value in sight; a single value gets room on both sides."""
    values = [v for s in chart.series for p in s.points for v in (p.y, p.low, p.high) if v is not None]
    if chart.rule_as_floor or not chart.small:
        values += [height for height, _ in chart.rules]
    if chart.rule_as_floor:
        values.append(0.0)
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        half = abs(low) / 6 or 0.5
        return low - half if not chart.percent else max(low - half, 0.0), high + half if high != 1 else high
    return low, high


def _series(axes: Axes, series: Series) -> None:
    colour, style = COLOUR[f"c{series.colour}"], (series.colour - 1) % len(SHAPES)
    ends = [p for p in series.points if p.low is not None and p.high is not None]
    lows, highs = [p.low or 0.0 for p in ends], [p.high or 0.0 for p in ends]
    if series.measured:
        aside = (series.colour - 1.5) * ASIDE * _per_pixel(axes)
        spread = [p for p in ends if (p.high or 0.0) > (p.low or 0.0)]
        if spread:
            middle = [((p.high or 0.0) + (p.low or 0.0)) / 2 for p in spread]
            half = [((p.high or 0.0) - (p.low or 0.0)) / 2 for p in spread]
            axes.errorbar(
                [p.x + aside for p in spread],
                middle,
                half,
                fmt="none",
                color=colour,
                ecolor=colour,
                elinewidth=1.3,
                capsize=2.5,
            )
    elif len(ends) > 1:
        axes.fill_between([p.x for p in ends], lows, highs, color=colour, alpha=0.16, linewidth=0)
    marked = series.measured or len(series.points) == 1
    axes.plot(
        [p.x for p in series.points],
        [p.y for p in series.points],
        color=colour,
        linewidth=2,
        linestyle=DASHES[style],
        marker=SHAPES[style] if marked else "",
        markersize=7 if len(series.points) <= CROWD else 4.5,
        markeredgecolor=COLOUR["card"],
        markeredgewidth=1.1 if len(series.points) <= CROWD else 0,
        clip_on=False,
        zorder=3,
    )


def _rules(axes: Axes, chart: Chart) -> None:
    low, high = axes.get_ylim()
    for height, name in chart.rules:
        if not low <= height <= high:
            continue
        axes.axhline(height, color=COLOUR["soft"], linewidth=1, linestyle=(0, (5, 4)), zorder=1)
        axes.annotate(
            name,
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 4),
            textcoords="offset points",
            ha="right",
            color=COLOUR["soft"],
            bbox={"facecolor": COLOUR["card"], "edgecolor": "none", "pad": 1.0},
        )


def _marks(axes: Axes, marks: Sequence[Mark], *, named: bool) -> None:
    """Vertical lines; the names stand above the uppermost chart, on two lines in turn where they would meet."""
    for number, mark in enumerate(sorted(marks, key=lambda m: (m.x, m.name))):
        axes.axvline(mark.x, color=COLOUR[mark.colour], linewidth=1.6, linestyle=(0, (2, 2)), zorder=2)
        if named:
            late = mark.x > sum(axes.get_xlim()) * 0.6
            axes.annotate(
                mark.name,
                (mark.x, 1),
                xycoords=("data", "axes fraction"),
                xytext=(4 if not late else -4, 6 + 15 * (number % 3)),
                textcoords="offset points",
                ha="right" if late else "left",
                color=COLOUR[mark.colour],
                fontweight="bold",
            )


def _names(axes: Axes, chart: Chart) -> None:
    """Each series' name at the height of its last point, pushed apart where they would meet."""
    named = [s for s in chart.series if s.name and s.points]
    if not named:
        return
    pixels = [float(axes.transData.transform((0, s.points[-1].y))[1]) for s in named]
    bottom = float(axes.transData.transform((0, axes.get_ylim()[0]))[1])
    for series, height in zip(named, apart(pixels), strict=True):
        axes.annotate(
            series.name,
            (1, 0),
            xycoords="axes fraction",
            xytext=(10, height - bottom),
            textcoords="offset points",
            va="center",
            color=COLOUR[f"c{series.colour}"],
            fontweight="bold",
        )


def apart(heights: Sequence[float], least: float = LINE) -> list[float]:
    """Heights moved down as little as needed for `least` between any two, the order kept.

    >>> apart([100.0, 98.0, 40.0]), apart([40.0, 100.0])
    ([100.0, 86.0, 40.0], [40.0, 100.0])
    """
    order = sorted(range(len(heights)), key=lambda i: (-heights[i], i))
    placed = list(heights)
    for upper, lower in pairwise(order):
        placed[lower] = min(placed[lower], placed[upper] - least)
    return placed


def _per_pixel(axes: Axes) -> float:
    """How much of the x axis one pixel is."""
    low, high = axes.get_xlim()
    return float((high - low) / axes.get_window_extent().width)


def themed(drawn: str, *, title: str, spoken: str) -> str:
    """matplotlib's SVG as a part of the page: its colours, its font, ids of their own, a spoken label.

    `title` makes the ids; two drawings of one page need two.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(drawn)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    own = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "chart"
    wanted = {a.lstrip("#") for e in root.iter() if (a := e.get(f"{{{XLINK}}}href"))}
    wanted |= set(re.findall(r"url\(#([^)]+)\)", drawn))
    for element in root.iter():
        _adapt(element, own, wanted)
    for unused in ("width", "height", "version"):
        root.attrib.pop(unused, None)
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-label", spoken)
    return ElementTree.tostring(root, encoding="unicode")


def _adapt(element: ElementTree.Element, own: str, wanted: set[str]) -> None:
    if (style := element.get("style")) is not None:
        style = re.sub(r"font-family: [^;]*;? ?", "", style)
        element.set("style", re.sub(r"#[0-9a-f]{6}\b", lambda found: _variable(found[0]), style))
    if (name := element.get("id")) is not None:
        if name in wanted:
            element.set("id", f"{own}-{name}")
        else:
            del element.attrib["id"]
    if (target := element.get(f"{{{XLINK}}}href")) is not None:
        element.set(f"{{{XLINK}}}href", f"#{own}-{target.lstrip('#')}")
    if (clip := element.get("clip-path")) is not None:
        element.set("clip-path", clip.replace("url(#", f"url(#{own}-"))
    element.text = element.text.strip() if element.text and element.text.strip() else None
    element.tail = None
    if (path := element.get("d")) is not None:
        element.set("d", " ".join(path.split()))


def _variable(colour: str) -> str:
    return f"var({PALETTE[colour]})"


def _spoken(chart: Chart) -> str:
    """First and last value of every series, for readers who do not see the chart."""
    return "; ".join(
        f"{s.name or 'value'} from {s.points[0].y:.3g} to {s.points[-1].y:.3g}" for s in chart.series if s.points
    )
