"""The report: one page, no network, and it says what is missing."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import components.evaluation
from components.core.contracts import Interval, ScorerComparison
from components.core.errors import MissingInput
from components.core.records import RewardRow, SampleRow
from components.evaluation.report import write_report
from components.evaluation.report.__main__ import main
from components.evaluation.report.evidence import gather
from components.evaluation.report.page import render
from components.evaluation.report.verdict import headline, verdict
from tests.evaluation.report.reading import section, text_of
from tests.evaluation.synthetic_run import SyntheticRun, score

SMALL = {"iterations": 4, "every": 2, "seeds": 2, "seen": ["cat", "dog", "fox"], "held_out": ["owl", "crab"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SyntheticRun:
    """A finished run of four iterations; policies 0, 2 and 4 evaluated."""
    place = tmp_path_factory.mktemp("whole")
    synthetic = SyntheticRun((place / "store").as_uri(), place / "base", **SMALL)
    synthetic.all()
    return synthetic


@pytest.fixture(scope="module")
def page(whole: SyntheticRun, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(whole.run.uri, tmp_path_factory.mktemp("page") / "new" / "report.html").read_text("utf-8")


@pytest.fixture
def fresh(file_store: str, tmp_path: Path) -> SyntheticRun:
    """A run that was opened, and no more."""
    return SyntheticRun(file_store, tmp_path / "base", **SMALL)


# The page


def test_it_needs_no_network_and_no_script(page: str):
    assert "<script" not in page
    assert "<link" not in page
    assert set(re.findall(r'src="([a-z]+:)', page)) == {"data:"}
    assert set(re.findall(r"url\((.)", page)) == {"#"}  # a clip path of the same page
    assert set(re.findall(r'href="(.)', page)) == {"#"}
    assert len(page) < 3_000_000


def test_its_tags_close_and_its_charts_are_well_formed(page: str):
    text_of(page)
    charts = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    assert len(charts) == 9  # over-optimisation; reward, gain, judge, distance; four diagnostics
    for drawn in charts:
        ElementTree.fromstring(drawn)


def test_the_numbers_on_it_are_those_of_the_report(whole: SyntheticRun, page: str):
    text = text_of(page)
    comparison = whole.evaluate(4).comparison("jpeg_incompressibility", "held_out")
    assert comparison is not None
    assert f"{comparison.gain.mean:+.2f} sd" in text
    assert f"[{comparison.gain.low:+.2f}, {comparison.gain.high:+.2f}]" in text
    assert f"{4 * whole.config.samples_per_iteration} reward queries" in text


def test_every_prompt_is_shown_before_and_after(page: str):
    """Five prompts, two pictures each."""
    for whose in ("base", "after training"):
        assert (
            len(re.findall(rf'<img src="data:image/jpeg;base64,[^>]*, {whose}"', section(page, "generalisation"))) == 5
        )
    assert "the reward rose in 6 of 6 pictures" in text_of(page)


def test_the_same_run_gives_the_same_bytes(whole: SyntheticRun, tmp_path: Path):
    """Two processes, whose sets and dicts of strings have other orders."""
    written = []
    for seed in ("1", "2"):
        out = tmp_path / f"{seed}.html"
        command = [sys.executable, "-m", "components.evaluation.report", f"--run={whole.run.uri}", f"--out={out}"]
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, check=True, stdout=subprocess.DEVNULL)
        written.append(out.read_bytes())
    assert written[0] == written[1]


def test_a_caption_is_text_and_never_markup(file_store: str, tmp_path: Path):
    hostile = SyntheticRun(file_store, tmp_path / "base", **{**SMALL, "seen": ["<script>cat & dog"]})
    hostile.evaluate(0)
    assert "<script" not in render(gather(hostile.run.uri))
    assert "&lt;script&gt;cat &amp; dog" in render(gather(hostile.run.uri))


def test_a_missing_reward_is_a_dash_and_not_a_change(fresh: SyntheticRun):
    def blind(scorer: str, sample: SampleRow, level: float, picture: bytes) -> RewardRow:
        row = score(scorer, sample, level, picture)
        return row.model_copy(update={"reward": None}) if sample.sample_id == "a-cat-000" else row

    fresh.evaluate(0)
    fresh.score = blind
    fresh.evaluate(4)
    page = text_of(render(gather(fresh.run.uri)))
    assert re.search(r"a cat – [✓✗] → –", page)
    assert "of 5 pictures" in page


def test_a_run_from_another_is_compared_with_its_start(whole: SyntheticRun, tmp_path: Path):
    champion = whole.run.training(3)
    warm = SyntheticRun(whole.root, tmp_path / "base", **SMALL, run_id="warm", start_adapter=champion)
    warm.evaluate(0)
    warm.evaluate(4)
    page = render(gather(warm.run.uri))
    assert f"started from {champion}" in text_of(page)
    assert "held-out start" in text_of(section(page, "scorers"))


# However far the run is


def test_an_opened_run_says_that_nothing_ran(fresh: SyntheticRun):
    text = text_of(render(gather(fresh.run.uri)))
    assert "Nothing has been trained yet." in text
    assert "in progress: 0 of 4 iterations" in text
    for name in ("over-optimisation", "animals", "strips", "generalisation", "signals", "worst", "text", "sampler"):
        assert "not run" in text_of(section(render(gather(fresh.run.uri)), name)).lower(), name
    assert text_of(section(render(gather(fresh.run.uri)), "curves")).count("not run") == 4


def test_a_baseline_shows_the_base_and_no_gain(fresh: SyntheticRun):
    fresh.evaluate(0)
    page = render(gather(fresh.run.uri))
    assert "no trained policy has been evaluated" in page
    assert section(page, "generalisation").count("<img") == 5
    assert text_of(section(page, "curves")).count("not run") == 3  # reward, gain, distance
    assert "Models after training: not run" in text_of(section(page, "animals"))


def test_training_alone_claims_nothing(fresh: SyntheticRun):
    fresh.evaluate(0)
    for k in range(2):
        fresh.train(k)
    found = verdict(gather(fresh.run.uri))
    assert found.headline == "Not evaluated yet."
    assert found.sentences[0].startswith("2 iterations are trained, and no trained policy is evaluated")


def test_a_run_in_the_middle_says_whose_numbers_these_are(fresh: SyntheticRun):
    fresh.evaluate(0)
    for k in range(3):
        fresh.train(k)
    fresh.evaluate(2)
    found = verdict(gather(fresh.run.uri))
    assert "Policy 3 is the newest and not evaluated: these numbers are of policy 2." in found.sentences


# The verdict


def compared(low: float, mean: float, high: float, *, deviation: float = 1.0) -> ScorerComparison:
    """A comparison with this gain."""
    gain = Interval(mean=mean, low=low, high=high)
    return ScorerComparison(
        scorer="r",
        split="held_out",
        reference="base",
        prompts=9,
        pairs=36,
        reference_mean=0.8,
        reference_std=deviation,
        candidate_mean=0.8 + mean,
        difference=gain,
        gain=gain,
        missing=0,
    )


@pytest.mark.parametrize(
    ("held_out", "seen", "tone", "said"),
    [
        ((0.7, 0.9, 1.1), (0.8, 1.0, 1.2), "good", "It learned, and it carries over"),
        ((0.1, 0.2, 0.3), (0.8, 1.0, 1.2), "good", "It learned a little, on prompts it was never trained on too."),
        ((-0.1, 0.1, 0.3), (0.2, 0.5, 0.8), "mixed", "It learned its training prompts; whether that carries over"),
        ((-0.1, 0.1, 0.3), (-0.2, 0.1, 0.4), "mixed", "No certain change yet."),
        ((-0.9, -0.6, -0.3), (0.2, 0.5, 0.8), "bad", "It got worse."),
    ],
)
def test_the_headline_says_no_more_than_the_intervals_allow(held_out, seen, tone, said):
    found = headline({"held_out": compared(*held_out), "seen": compared(*seen)})
    assert found[0] == tone
    assert found[1].startswith(said)


def test_without_held_out_prompts_nothing_is_said_to_carry_over():
    assert headline({"seen": compared(0.8, 1.0, 1.2)})[1] == "It learned."


def test_without_spread_there_is_no_gain_to_speak_of():
    assert headline({"held_out": compared(0, 0, 0, deviation=0)})[0] == "none"


def test_a_judge_that_lost_more_than_a_quarter_spoils_the_headline(fresh: SyntheticRun):
    def half_blind(scorer: str, sample: SampleRow, level: float, picture: bytes) -> RewardRow:
        row = score(scorer, sample, level, picture)
        right = level == 0 or sample.index == 0
        return row.model_copy(update={"reward": float(right)}) if scorer == "judge" else row

    fresh.score = half_blind
    fresh.evaluate(0)
    fresh.evaluate(4)
    found = verdict(gather(fresh.run.uri))
    assert found.tone == "mixed"
    assert found.headline.endswith("at a high price.")
    assert "100 % of the held-out pictures before and 50 % after" in " ".join(found.sentences).replace("\u00a0", " ")


# The command


def test_the_command_writes_the_file_and_names_it(
    whole: SyntheticRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "report.html"
    assert main(["--run", whole.run.uri, "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert out.read_text("utf-8").startswith("<!doctype html>")


def test_a_run_that_is_not_there_is_66(file_store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--run", f"{file_store}/runs/none", "--out", str(tmp_path / "r.html")]) == 66
    assert "no run at" in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()
    with pytest.raises(MissingInput):
        write_report(f"{file_store}/runs/none", tmp_path / "r.html")


def test_the_report_imports_neither_torch_nor_mlflow():
    code = "import sys; sys.modules['torch'] = sys.modules['mlflow'] = None; import components.evaluation.report"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_examples_in_the_docstrings_are_true():
    """Every module of this step."""
    names = [m.name for m in pkgutil.walk_packages(components.evaluation.__path__, "components.evaluation.")]
    results = [doctest.testmod(importlib.import_module(n)) for n in names if not n.endswith("__main__")]
    assert sum(r.failed for r in results) == 0
    assert sum(r.attempted for r in results) > 5


def test_a_page_that_cannot_be_written_is_64(fresh: SyntheticRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "file").write_text("")
    assert main(["--run", fresh.run.uri, "--out", str(tmp_path / "file" / "r.html")]) == 64
    assert "cannot write" in capsys.readouterr().err


def test_numbers_outlive_their_pictures(fresh: SyntheticRun):
    """Retention took the newest pictures away: the report's own commit still has what they showed."""
    fresh.evaluate(0)
    request = fresh.draw_and_score(4)
    fresh.evaluate(4)
    shutil.rmtree(request.candidate.shards[0].sampling.removeprefix("file://"))
    page = render(gather(fresh.run.uri))
    assert "The pictures are no longer in the store." in page
    assert "held-out gain" in page
