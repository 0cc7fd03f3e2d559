"""The page as Chromium shows it: light and dark, wide and narrow, on screen and on paper."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.evaluation.report.evidence import gather
from components.evaluation.report.page import render
from tests.evaluation.report.watched import SMALL, evaluated, over_long, with_probes
from tests.evaluation.synthetic_run import SyntheticRun

sync_api = pytest.importorskip("playwright.sync_api", reason="NOBODY LOOKS AT THE REPORT: playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="NOBODY LOOKS AT THE REPORT: no Chromium on the PATH")

PAGES = ("fresh", "over-long", "probed")
WIDE, NARROW = 1440, 390

RECTANGLES = """svg => [...svg.querySelectorAll('text')].map(text => {
    const r = text.getBoundingClientRect();
    return {name: text.textContent, left: r.left, right: r.right, top: r.top, bottom: r.bottom};
})"""
CONTRAST = """element => {
    const rgb = colour => colour.match(/[\\d.]+/g).map(Number);
    const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const light = colour => {
        const [r, g, b] = rgb(colour).map(v => linear(v / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let behind = element;
    while (behind && (rgb(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
    const style = getComputedStyle(element);
    const ink = light(element instanceof SVGElement ? style.fill : style.color);
    const paper = light(getComputedStyle(behind).backgroundColor);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
}"""
"""WCAG 2's contrast ratio of an element's text against what lies behind it."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run that was only opened, one that the guard failed, and one with probes, captions and flagged pictures."""
    place = tmp_path_factory.mktemp("pages")
    runs = {
        "fresh": SyntheticRun((place / "fresh").as_uri(), place / "base", **SMALL, run_id="fresh"),
        "over-long": over_long(place / "long"),
        "probed": evaluated(with_probes(place / "probed", run_id="a-run-with-" + "a-long-" * 9 + "name"), 0, 2, 4),
    }
    for name, run in runs.items():
        (place / f"{name}.html").write_text(render(gather(run.run.uri)), encoding="utf-8")
    return {name: place / f"{name}.html" for name in runs}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as play:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses its sandbox to root
        opened = play.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def look(browser: Any, pages: dict[str, Path]) -> Iterator[Any]:
    """Opens a page at a width and in a scheme; closes what was opened."""
    contexts = []

    def opened(name: str, width: int = WIDE, scheme: str = "light") -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.goto(pages[name].as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_fetched_and_nothing_is_complained_of(browser: Any, pages: dict[str, Path], name: str):
    page, said, asked = browser.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(pages[name].as_uri())
    page.wait_for_load_state("networkidle")
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [pages[name].as_uri()]
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_never_wider_than_the_window(look: Any, name: str):
    """Tables and the wide figure scroll within themselves."""
    page = look(name)
    for width in (WIDE, 768, NARROW, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["over-long", "probed"])
def test_every_picture_is_decoded_and_has_words(look: Any, name: str):
    page = look(name)
    found = page.eval_on_selector_all("img", "all => all.map(i => [i.complete && i.naturalWidth > 0, i.alt, i.width])")
    assert len(found) > 50
    assert all(decoded and words and width >= 40 for decoded, words, width in found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_what_is_written_can_be_read(look: Any, name: str, scheme: str):
    """Contrast of at least 4.5 for text, as WCAG asks, and of 4.5 for what is written in charts too."""
    page = look(name, WIDE, scheme)
    pale = page.eval_on_selector_all(
        "p, td, th, h1, h2, h3, li, figcaption, small, dt, dd, summary, .level, .value, .mark, svg text",
        f"all => all.filter(e => e.textContent.trim() && e.getClientRects().length)"
        f".map(e => [e.textContent.trim().slice(0, 40), ({CONTRAST})(e)]).filter(([_, ratio]) => ratio < 4.5)",
    )
    assert pale == []


@pytest.mark.parametrize("name", ["over-long", "probed"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_no_two_words_of_a_chart_lie_on_each_other(look: Any, name: str, width: int):
    page = look(name, width)
    charts = page.query_selector_all("svg.chart")
    assert len(charts) >= 9
    for chart in charts:
        words = chart.evaluate(RECTANGLES)
        for place, one in enumerate(words):
            for other in words[place + 1 :]:
                apart = (
                    one["right"] <= other["left"] + 1
                    or other["right"] <= one["left"] + 1
                    or one["bottom"] <= other["top"] + 2.5
                    or other["bottom"] <= one["top"] + 2.5
                )
                assert apart, (one["name"], other["name"])


@pytest.mark.parametrize("name", ["over-long", "probed"])
def test_every_word_of_a_chart_is_within_its_card(look: Any, name: str):
    page = look(name)
    for chart in page.query_selector_all("svg.chart"):
        card = chart.evaluate("svg => svg.closest('figure').getBoundingClientRect().toJSON()")
        for word in chart.evaluate(RECTANGLES):
            assert card["left"] <= word["left"], word
            assert word["right"] <= card["right"], word
            assert card["top"] <= word["top"], word
            assert word["bottom"] <= card["bottom"], word


def test_the_same_prompt_stands_in_the_same_place_of_each_block(look: Any):
    """Base upper left; in every block the first picture of the second row is the fourth."""
    page = look("over-long")
    blocks = page.eval_on_selector_all(
        ".block",
        """all => all.map(block => {
            const box = block.getBoundingClientRect();
            return [...block.querySelectorAll('img')].map(i => {
                const r = i.getBoundingClientRect();
                return [i.alt.split(',')[0], Math.round(r.left - box.left), Math.round(r.top - box.top)];
            });
        })""",
    )
    assert len(blocks) == 4
    assert all(block == blocks[0] for block in blocks)
    assert blocks[0][0][1:] == blocks[0][0][1:]
    assert blocks[0][3][1] == 0
    assert blocks[0][3][2] > 0


def test_dark_is_dark_and_light_is_light(look: Any):
    ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    assert max(look("over-long", scheme="dark").evaluate(ground)) < 60
    assert min(look("over-long", scheme="light").evaluate(ground)) > 230


@pytest.mark.parametrize("name", PAGES)
def test_it_prints_on_paper(look: Any, name: str):
    """A4 has 794 px: nothing is cut off, links within the page are left out, and the sheets are there."""
    page = look(name, 794)
    page.emulate_media(media="print", color_scheme="light")
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    assert not page.is_visible("nav")
    sheets = page.pdf(format="A4", print_background=True)
    assert sheets.startswith(b"%PDF")
    assert 2 <= sheets.count(b"/Type /Page\n") + sheets.count(b"/Type /Page ") <= 40


def test_a_link_at_the_top_leads_to_its_section(look: Any):
    page = look("over-long")
    links = page.eval_on_selector_all("nav a", "all => all.map(a => a.getAttribute('href'))")
    assert len(links) >= 10
    assert all(page.locator(link).count() == 1 for link in links)


def test_no_id_is_given_twice(look: Any):
    page = look("over-long")
    ids = page.eval_on_selector_all("[id]", "all => all.map(e => e.id)")
    assert len(ids) == len(set(ids))
