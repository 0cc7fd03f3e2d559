"""The runbooks speak of what exists: pages, variables, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dags.pipeline import runbooks
from dags.pipeline.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
DOCS = [text for name, text in vars(runbooks).items() if name.endswith("_RUNBOOK")]
TEXTS = [*DOCS, *(page.read_text(encoding="utf-8") for page in PAGES)]
COMMANDS = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}


def test_every_page_is_in_the_list_and_every_link_leads_somewhere() -> None:
    listed = set(re.findall(r"\]\(([a-z-]+\.md)\)", (ROOT / "docs/runbooks/README.md").read_text(encoding="utf-8")))
    assert listed == {page.name for page in PAGES} - {"README.md"}
    links = {link for text in TEXTS for link in re.findall(r"(?:\]\(|docs/runbooks/)([a-z-]+\.md)", text)}
    assert links <= {page.name for page in PAGES}


def test_every_command_that_a_page_names_exists() -> None:
    named = {name for text in TEXTS for name in re.findall(r"`ddpo ([a-z]+)", text)}
    assert len(named) > 5
    assert named <= COMMANDS


def test_the_table_of_variables_is_complete() -> None:
    """Every variable that the code reads has a row, and no row is made up."""
    table = (ROOT / "docs/runbooks/README.md").read_text(encoding="utf-8").partition("## The environment")[2]
    rows = set(re.findall(r"^\| `([A-Z_]+)`", table, flags=re.MULTILINE))
    files = [*(ROOT / "dags").rglob("*.py"), *(ROOT / "components").rglob("*.py")]
    read = {name for file in files for name in re.findall(r'"((?:DDPO|MLFLOW)_[A-Z_]+[A-Z])"', file.read_text())}
    assert rows <= read
    inner = {"DDPO_STEPS", "DDPO_COMMIT", "DDPO_IMAGE"}  # one part of the project tells them to another
    assert {name for name in read if name.startswith("DDPO_")} - inner <= rows


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_fits_a_screen_and_begins_with_what_one_sees(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    if page.name == "README.md":  # an index
        return
    assert len(lines) <= 60
    assert any(line.startswith("**You see**") for line in lines[:4])
