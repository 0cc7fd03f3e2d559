"""The page of a comparison: drawn once for the same runs, whole, and with the numbers of the reports."""

from __future__ import annotations

import doctest
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from components.core import comparison_table as tables
from components.core import tracking
from components.core.comparison import Comparison
from components.core.errors import MissingInput
from components.evaluation.comparison_report import record, words
from components.evaluation.comparison_report.__main__ import main
from tests.core.compared import finish, opened
from tests.core.mlflow_database import new_database, rows


@pytest.fixture
def made(file_store: str, tmp_path: Path) -> Comparison:
    """ddpo_is: 0.6 and 0.8 sd; ddpo_sf: 0.2 and 0.7 sd, and 1.5 with the judge at half and 30 % of the diversity."""
    found = opened(file_store, tmp_path)
    for run in found.runs(found.given_rates()):
        gains = {"ddpo_is": (0.6, 0.8), "ddpo_sf": (0.2, 0.7)}[run.algorithm]
        if run.algorithm == "ddpo_sf":
            finish(run, (gains[run.seed], 0.95), (1.5, 0.5), diversity=0.3)
        else:
            finish(run, (gains[run.seed], 0.95), (0.1, 1.0))
    return found


def test_the_same_runs_are_drawn_once(made: Comparison, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert main(["--comparison", made.uri, "--out", str(page)]) == 0
    committed = record.commit(made)
    assert committed.prefix.startswith(made.results)
    assert [file.path for file in committed.manifest.files] == [
        "figure.png", "figure.svg", "page.html", "table.json", "table.md",
    ]  # fmt: skip
    assert page.read_bytes() == committed.read("page.html")
    assert Image.open(io.BytesIO(committed.read("figure.png"))).width > 1000


def test_the_page_says_who_is_first_and_how_clearly(made: Comparison) -> None:
    """(0.6 + 0.8) / 2 against (0.2 + 0.7) / 2: three of the four pairs of seeds are above."""
    committed = record.commit(made)
    table, page = tables.Table.model_validate(committed.manifest.result), committed.read("page.html").decode()
    said = "Size: ddpo_is is first with +0.70 sd. Against ddpo_sf (+0.45): 3 of 4 pairs of seeds above."
    assert words.findings(table) == [said]
    assert said in page
    assert not re.search(r'(src|href)="http', page)
    assert "at least 90 %" in page.replace("\u00a0", " ")
    assert page.count("not counted") >= 2  # both seeds of ddpo_sf at the end
    markdown = committed.read("table.md").decode()
    assert (
        "| ddpo_sf | 0.001 | 2 | +0.45 [+0.20, +0.70] | +0.90 | 95 % | 100 % | 64 | +1.50 | 50 % | 30 % | 4 |"
        in markdown
    )


def test_nothing_finished_is_one_line(file_store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--comparison", opened(file_store, tmp_path).uri]) == MissingInput.exit_code
    assert capsys.readouterr().err == ("comparison: no run of two is finished yet (`ddpo compare` goes on with them)\n")


def test_mlflow_has_the_curves_and_the_page_once(made: Comparison, tmp_path: Path) -> None:
    record.commit(made)
    uri = new_database(tmp_path / "mlflow")
    first, again = tracking.log_comparison(made, uri), tracking.log_comparison(made, uri)
    assert first == again
    assert first.endswith("/report/report.html")
    keys = "'score/size/ddpo_is', 'gain/size/ddpo_sf', 'kl_to_base/size/ddpo_is'"
    query = f"SELECT key, step, value FROM metrics WHERE key IN ({keys})"
    found = {(key, step): value for key, step, value in rows(uri, query)}
    assert len(rows(uri, query)) == len(found)
    assert found == {
        ("score/size/ddpo_is", 0): pytest.approx(0.7),
        ("gain/size/ddpo_sf", 0): 0.0,
        ("gain/size/ddpo_sf", 64): pytest.approx(0.45),
        ("gain/size/ddpo_sf", 128): pytest.approx(1.5),
        ("kl_to_base/size/ddpo_is", 0): 0.0,
        ("kl_to_base/size/ddpo_is", 64): 2.0,
        ("kl_to_base/size/ddpo_is", 128): 4.0,
    }


def test_the_examples_hold() -> None:
    assert doctest.testmod(words).failed == 0
