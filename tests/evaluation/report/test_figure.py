"""Charts: a value stands where it says, and the drawing follows the page."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from components.evaluation.report import figure
from components.evaluation.report.figure import Chart, Mark, Point, Series

PATH = f"{{{figure.SVG}}}path"


def line_of(drawn: str, colour: str) -> list[tuple[float, float]]:
    """Corners of the widest path that is drawn in a colour and not filled."""
    paths = [
        [tuple(map(float, pair)) for pair in re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", element.get("d", ""))]
        for element in ElementTree.fromstring(drawn).iter(PATH)
        if f"stroke: var(--{colour})" in element.get("style", "") and "fill: none" in element.get("style", "")
    ]
    return max(paths, key=len)


def texts(drawn: str) -> dict[str, tuple[float, float]]:
    """What is written, and where."""
    return {
        element.text or "": (float(element.get("x", "nan")), float(element.get("y", "nan")))
        for element in ElementTree.fromstring(drawn).iter(f"{{{figure.SVG}}}text")
    }


def test_a_point_stands_where_its_value_says():
    """0, 0.5 and 1 at 0, 50 and 100 queries: half-way is half-way, up is up, and 0 queries is at the left edge."""
    drawn = figure.svg(Chart("t", "", (Series("", 1, (Point(0, 0), Point(50, 0.5), Point(100, 1))),)), x_end=100)
    (x0, y0), (x1, y1), (x2, y2) = line_of(drawn, "c1")
    assert x0 == pytest.approx(figure.LEFT)
    assert y0 > y2
    assert (x1, y1) == pytest.approx(((x0 + x2) / 2, (y0 + y2) / 2), abs=0.06)


def test_a_tick_stands_at_its_value():
    drawn = figure.svg(Chart("t", "", (Series("", 1, (Point(0, 0), Point(100, 1))),)), x_end=100)
    (_, y0), (x1, y1) = line_of(drawn, "c1")
    written = texts(drawn)
    assert written["100"][0] == pytest.approx(x1, abs=0.1)
    assert (written["0.25"][1] - written["1"][1]) == pytest.approx(0.75 * (y0 - y1), abs=0.1)


def test_names_that_would_meet_are_pushed_apart():
    series = tuple(Series(name, n, (Point(1, 1),), measured=True) for n, name in enumerate(("one", "two", "three"), 1))
    written = texts(figure.svg(Chart("t", "", series), x_end=1))
    heights = [written[name][1] for name in ("one", "two", "three")]
    assert heights == sorted(heights)
    assert min(b - a for a, b in pairwise(heights)) == pytest.approx(figure.LINE, abs=0.01)


@pytest.mark.parametrize("values", [[0.0], [1e-9, 2e-9], [-3.0, -3.0], [1e6, 2e6], [0.0, 0.0]])
def test_every_scale_can_be_drawn(values: list[float]):
    line = Series("s", 2, tuple(Point(i, v, v, v) for i, v in enumerate(values)), measured=True)
    drawn = figure.svg(Chart("a & b", "", (line,), rules=((0.0, "base"),)), x_end=len(values))
    assert "nan" not in drawn
    assert "inf" not in drawn
    ElementTree.fromstring(drawn)


@pytest.mark.parametrize("values", [(1.0, 1.0), (0.0, 0.0), (0.02, 1.0)])
def test_no_axis_goes_beyond_all_or_none(values: tuple[float, float]):
    """A judge that was always right stands at the top, not in the middle below 120 %."""
    line = Series("s", 1, tuple(Point(i, v) for i, v in enumerate(values)), measured=True)
    drawn = figure.svg(Chart("t", "", (line,), percent=True), x_end=1).replace("\u00a0", " ")
    labels = [int(label.replace("\u2212", "-")) for label in re.findall(r">(\S+) %<", drawn)]
    assert min(labels) >= 0
    assert max(labels) <= 100
    if max(values) == 1.0:
        assert labels[-1] == 100


def test_it_wears_the_page_s_colours_and_font_only():
    line = Series("seen", 1, (Point(0, 0, -1, 1), Point(1, 1, 0, 2)), measured=True)
    band = Series("", 6, (Point(0, 0, -1, 1), Point(1, 1, 0, 2)))
    drawn = figure.stack([Chart("t", "", (line, band), rules=((0.5, "limit"),))], [Mark(1, "turn", "bad")], x_end=1)
    assert not re.findall(r"#[0-9a-f]{6}\b", drawn)
    assert {"var(--c1)", "var(--c6)", "var(--soft)", "var(--bad)"} <= set(re.findall(r"var\(--\w+\)", drawn))
    assert "font-family" not in drawn
    assert "<style" not in drawn  # matplotlib's own would restyle the whole page


def test_series_differ_by_more_than_colour():
    """Another marker and another dash each: the page is printed in grey, and read by people who see no red."""
    points = tuple(Point(i, i) for i in range(3))
    drawn = [figure.svg(Chart("t", "", (Series("", n, points, measured=True),)), x_end=2) for n in (1, 2, 3, 4, 5)]
    markers = [tuple(re.findall(r'<path id="[^"]+" d="(M -?[\d.]+ -?[\d.]+ [CL][^"]+)"', d)) for d in drawn]
    dashes = [re.findall(r"stroke-dasharray: ([\d. ,]+)", d) for d in drawn]
    assert len(set(map(str, markers))) == 5
    assert len(set(map(str, dashes))) == 5


def test_a_mark_goes_through_every_chart_at_its_place():
    points = (Point(0, 0), Point(100, 1))
    charts = [Chart(name, "", (Series("", 1, points),)) for name in ("above", "below")]
    drawn = figure.stack(charts, [Mark(50, "half-way", "bad")], x_end=100)
    lines = [
        re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", element.get("d", ""))
        for element in ElementTree.fromstring(drawn).iter(PATH)
        if "stroke: var(--bad)" in element.get("style", "")
    ]
    (x0, _), (x1, _) = line_of(drawn, "c1")
    assert len(lines) == 2
    assert [float(x) for line in lines for x, _ in line] == pytest.approx([(x0 + x1) / 2] * 4, abs=0.1)
    assert "half-way" in texts(drawn)


def test_two_charts_of_one_page_share_no_id():
    line = (Series("s", 1, (Point(0, 0, -1, 1), Point(1, 1, 0, 2)), measured=True),)
    ids = [set(re.findall(r' id="([^"]+)"', figure.svg(Chart(t, "", line), x_end=1))) for t in ("one", "two")]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_what_is_read_aloud_holds_the_first_and_the_last_value():
    line = Series("seen", 1, (Point(0, 0.25), Point(5, 9.0), Point(9, 0.75)))
    label = ElementTree.fromstring(figure.svg(Chart("Gain", "", (line,)), x_end=9)).get("aria-label")
    assert label == "Gain. seen from 0.25 to 0.75."


def test_a_name_is_text_and_never_mathematics_nor_markup():
    drawn = figure.svg(Chart("t", "", (Series("a $x_1$ <b>", 1, (Point(0, 1),)),)), x_end=1)
    assert "a $x_1$ <b>" in texts(drawn)
