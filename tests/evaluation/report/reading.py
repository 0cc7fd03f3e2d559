"""A page as a reader reads it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

EMPTY_TAGS = {"meta", "br", "img", "hr", "link", "input"}


class Tags(HTMLParser):
    """Fails on a tag that is not closed, or closed in the wrong place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in EMPTY_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def text_of(page: str) -> str:
    """What a reader reads, with plain spaces."""
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return re.sub(r"\s+", " ", " ".join(tags.text).replace("\u00a0", " "))


def section(page: str, name: str) -> str:
    """The HTML of one section, by its id."""
    found = re.search(rf'<section id="{name}".*?</section>', page, flags=re.S)
    assert found is not None, name
    return found[0]
