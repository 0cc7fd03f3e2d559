"""Line charts as inline SVG, coloured by the page's style sheet, so that they follow light, dark and print.

Every series has its own colour, marker and dash, and its name at its end: nothing is told by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from components.evaluation.report.vocabulary import MINUS

WIDTH, HEIGHT = 560, 270
SMALL_WIDTH, SMALL_HEIGHT = 320, 190
LEFT, TOP, BOTTOM = 56, 14, 40
ASIDE = 5
"""Pixels between the whiskers of two series at the same place, so that both can be read."""
LINE = 14
"""Least distance between two names at the right edge."""


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
class Chart:
    """A titled chart."""

    title: str
    note: str
    series: tuple[Series, ...]
    rule: tuple[float, str] | None = None
    """A horizontal line and its name: zero, the base, a limit."""
    percent: bool = False
    small: bool = False
    rule_as_floor: bool = False
    """Keep the rule and zero in sight, however small the values are."""

    @property
    def is_empty(self) -> bool:
        """Nothing to draw."""
        return not any(series.points for series in self.series)


@dataclass(frozen=True)
class _Frame:
    """From values to pixels."""

    x_end: float
    x_ticks: list[float]
    y_ticks: list[float]
    width: int
    height: int
    right: int

    def x(self, value: float) -> float:
        return LEFT + value / self.x_end * (self.right - LEFT)

    def y(self, value: float) -> float:
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return self.height - BOTTOM - (value - low) / (high - low) * (self.height - BOTTOM - TOP)


def svg(chart: Chart, *, x_end: float) -> str:
    """The chart as an SVG element; the x axis runs from 0 to at least `x_end`."""
    frame = _frame(chart, x_end)
    parts = [_axes(chart, frame), _rule(chart, frame)]
    parts += [_band(series, frame) for series in chart.series if not series.measured]
    parts += [_line(series, frame) for series in chart.series]
    parts += [_markers(series, frame) for series in chart.series if series.measured]
    parts.append(_names(chart, frame))
    label = escape(f"{chart.title}. {_spoken(chart)}", quote=True)
    return (
        f'<svg class="chart" viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that enclose low to high, about `count` of them.

    >>> ticks(0.07, 1.13), ticks(3, 3)
    ([0.0, 0.25, 0.5, 0.75, 1.0, 1.25], [2.5, 3.0, 3.5])
    """
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        half = abs(low) / 6 or 0.5
        low, high, count = low - half, high + half, 2
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


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


def _frame(chart: Chart, x_end: float) -> _Frame:
    points = [point for series in chart.series for point in series.points]
    values = [v for p in points for v in (p.y, p.low, p.high) if v is not None]
    if chart.rule and (chart.rule_as_floor or not chart.small):
        values.append(chart.rule[0])
    if chart.rule_as_floor:
        values.append(0.0)
    width, height = (SMALL_WIDTH, SMALL_HEIGHT) if chart.small else (WIDTH, HEIGHT)
    names = [series.name for series in chart.series if series.name and series.points]
    right = width - max([12] + [18 + round(6.6 * len(name)) for name in names])
    end = max([x_end, 1] + [p.x for p in points])
    return _Frame(
        x_end=end,
        x_ticks=[tick for tick in ticks(0, end, 3 if chart.small else 5) if tick <= end],
        y_ticks=_y_ticks(min(values), max(values), chart),
        width=width,
        height=height,
        right=right,
    )


def _y_ticks(low: float, high: float, chart: Chart) -> list[float]:
    """Ticks that enclose the values; a share's stay between 0 and 1, where its values do."""
    found = ticks(low, high, 3 if chart.small else 5)
    if chart.percent and low >= 0 and high <= 1:
        found = sorted({min(max(tick, 0.0), 1.0) for tick in found})
    return found


def _axes(chart: Chart, frame: _Frame) -> str:
    parts = []
    for value in frame.y_ticks:
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{frame.right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        label = shown(value, percent=chart.percent)
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for value in frame.x_ticks:
        x, y = frame.x(value), frame.height - BOTTOM
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 4}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{y + 18}" text-anchor="middle">{shown(value)}</text>')
    middle = (LEFT + frame.right) / 2
    parts.append(
        f'<text class="tick" x="{middle:.0f}" y="{frame.height - 4}" text-anchor="middle">reward queries</text>'
    )
    return "".join(parts)


def _rule(chart: Chart, frame: _Frame) -> str:
    if chart.rule is None or not frame.y_ticks[0] <= chart.rule[0] <= frame.y_ticks[-1]:
        return ""
    y = frame.y(chart.rule[0])
    return (
        f'<line class="rule" x1="{LEFT}" x2="{frame.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{frame.right - 4}" y="{y - 5:.1f}" text-anchor="end">{escape(chart.rule[1])}</text>'
    )


def _band(series: Series, frame: _Frame) -> str:
    upper = [(p.x, p.high) for p in series.points if p.high is not None]
    lower = [(p.x, p.low) for p in series.points if p.low is not None]
    if len(upper) < 2:
        return ""
    return f'<polygon class="band c{series.colour}" points="{_path([*upper, *reversed(lower)], frame)}"/>'


def _line(series: Series, frame: _Frame) -> str:
    if len(series.points) == 1 and not series.measured:
        point = series.points[0]
        return f'<circle class="dot c{series.colour}" cx="{frame.x(point.x):.1f}" cy="{frame.y(point.y):.1f}" r="3"/>'
    path = _path([(p.x, p.y) for p in series.points], frame)
    return f'<polyline class="line c{series.colour}" points="{path}"/>'


def _markers(series: Series, frame: _Frame) -> str:
    parts = []
    for point in series.points:
        x, y = frame.x(point.x), frame.y(point.y)
        aside = x + ASIDE * (series.colour - 1.5)
        if point.low is not None and point.high is not None and point.high > point.low:
            top, bottom = frame.y(point.high), frame.y(point.low)
            path = f"M{aside:.1f} {top:.1f}V{bottom:.1f}M{aside - 3:.1f} {top:.1f}h6M{aside - 3:.1f} {bottom:.1f}h6"
            parts.append(f'<path class="whisker c{series.colour}" d="{path}"/>')
        title = f"{series.name}, {shown(point.x)} queries: {point.y:.4g}"
        if point.low is not None and point.high is not None:
            title += f" ({point.low:.4g} to {point.high:.4g})"
        shape = _shape(series.colour, x, y)
        parts.append(f'<g class="dot c{series.colour}"><title>{escape(title)}</title>{shape}</g>')
    return "".join(parts)


def _shape(colour: int, x: float, y: float) -> str:
    """A marker of the series' own: circle, square, diamond, triangle."""
    r = 4.5
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>',
        f'<rect x="{x - r + 0.5:.1f}" y="{y - r + 0.5:.1f}" width="{2 * r - 1}" height="{2 * r - 1}"/>',
        f'<path d="M{x:.1f} {y - r - 1:.1f}l{r + 1} {r + 1}l{-r - 1} {r + 1}l{-r - 1} {-r - 1}z"/>',
        f'<path d="M{x:.1f} {y - r - 1:.1f}l{r + 1} {2 * r}h{-2 * r - 2}z"/>',
    )[(colour - 1) % 4]


def _names(chart: Chart, frame: _Frame) -> str:
    """Each series' name at the height of its last point, pushed apart where they would meet."""
    named = sorted((s for s in chart.series if s.name and s.points), key=lambda s: frame.y(s.points[-1].y))
    parts, lowest = [], float("-inf")
    for series in named:
        lowest = max(frame.y(series.points[-1].y), lowest + LINE)
        place = f'x="{frame.right + 9}" y="{lowest + 4:.1f}"'
        parts.append(f'<text class="name c{series.colour}" {place}>{escape(series.name)}</text>')
    return "".join(parts)


def _path(points: Iterable[tuple[float, float]], frame: _Frame) -> str:
    return " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)


def _spoken(chart: Chart) -> str:
    """First and last value of every series, for readers who do not see the chart."""
    return "; ".join(
        f"{s.name or 'value'} from {s.points[0].y:.3g} to {s.points[-1].y:.3g}" for s in chart.series if s.points
    )
