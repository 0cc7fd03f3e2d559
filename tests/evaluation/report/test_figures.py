"""Figures made of pictures: the same prompts and seeds, from any run, and never what is not fit to be shown."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.core import store
from components.core.contracts import SamplingRequest
from components.evaluation.report.before_after import galleries
from components.evaluation.report.evidence import Evidence, gather
from components.evaluation.report.grid import nine_animals
from components.evaluation.report.page import render
from components.evaluation.report.painted_text import typographic_panel
from components.evaluation.report.pictures import Picture
from components.evaluation.report.side_by_side import against_champion, shipped_sampler
from components.evaluation.report.splits import generalisation, ratio
from components.evaluation.report.strips import alignment_strips
from components.evaluation.report.worst_prompts import worst_of_each_scorer
from tests.evaluation.report.reading import section, text_of
from tests.evaluation.report.watched import SMALL, evaluated, over_long, with_probes
from tests.evaluation.synthetic_run import SyntheticRun


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> SyntheticRun:
    return over_long(tmp_path_factory.mktemp("long"))


@pytest.fixture(scope="module")
def evidence(long: SyntheticRun) -> Evidence:
    return gather(long.run.uri)


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Policies 0, 2, 4 with probes and captions."""
    run = with_probes(tmp_path_factory.mktemp("probed"))
    evaluated(run, 0, 2, 4)
    return gather(run.run.uri)


def pixels(picture: Picture) -> np.ndarray:
    assert picture.src is not None
    data = base64.b64decode(picture.src.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)), dtype=np.float64)


def original(evidence: Evidence, policy: int, key: tuple[str, int]) -> np.ndarray:
    """The lossless picture in the store, at its own size."""
    return np.asarray(evidence.drawn[policy].picture(key), dtype=np.float64)


def shrunk(picture: Picture, side: int) -> np.ndarray:
    return np.asarray(
        Image.fromarray(pixels(picture).astype(np.uint8)).resize((side, side), Image.Resampling.BOX), float
    )


# Nine animals


def test_the_base_the_best_and_the_newest_stand_side_by_side(evidence: Evidence):
    grid = nine_animals(evidence)
    assert grid is not None
    assert [block.title for block in grid.blocks] == ["Base", "Policy 2", "Policy 4", "Policy 6"]
    assert [block.note.split(",")[0] for block in grid.blocks] == [
        "before any training",
        "best passing",
        "turning point",
        "guard failed",
    ]


def test_a_place_of_the_grid_is_one_prompt_and_one_seed(evidence: Evidence):
    """Each picture is that of its policy, prompt and seed in the store: a JPEG of it, enlarged."""
    grid = nine_animals(evidence)
    assert grid is not None
    assert grid.prompts == ("a cat", "a dog", "a fox", "an owl", "a crab")
    for policy, block in ((0, grid.blocks[0]), (2, grid.blocks[1]), (6, grid.blocks[3])):
        for place, prompt in enumerate(("a-cat", "a-dog", "a-fox", "an-owl", "a-crab")):
            difference = shrunk(block.pictures[place], 32) - original(evidence, policy, (prompt, 0))
            assert np.abs(difference).mean() < 6


def test_several_runs_show_their_best_policies(evidence: Evidence, tmp_path: Path):
    healthy = SyntheticRun((tmp_path / "store").as_uri(), tmp_path / "base", **SMALL, run_id="healthy")
    evaluated(healthy, 0, 4)
    grid = nine_animals(evidence, [gather(healthy.run.uri)])
    assert grid is not None
    assert [block.title for block in grid.blocks[:3]] == ["Base", "over-long · policy 2", "healthy · policy 4"]
    assert len(grid.blocks) == 4


def test_a_run_on_other_prompts_is_left_out_with_a_sentence(evidence: Evidence, tmp_path: Path):
    elsewhere = SyntheticRun(
        (tmp_path / "store").as_uri(), tmp_path / "base", **{**SMALL, "seen": ["whale", "bee"]}, run_id="elsewhere"
    )
    evaluated(elsewhere, 0, 2)
    grid = nine_animals(evidence, [gather(elsewhere.run.uri)])
    assert grid is not None
    assert grid.left_out[0].startswith("elsewhere was evaluated on other prompts or other noise")
    assert not any("elsewhere" in block.title for block in grid.blocks)


# Strips


def test_a_strip_is_one_prompt_and_seed_over_the_policies(evidence: Evidence):
    strips = alignment_strips(evidence)
    assert strips is not None
    assert [name for name, _ in strips.columns] == ["policy 0", "policy 2", "policy 4", "policy 6"]
    assert [strip.prompt for strip in strips.strips] == ["a cat", "a dog", "a fox", "an owl", "a crab"]
    cat = strips.strips[0]
    for policy, frame in zip((0, 2, 4, 6), cat.frames, strict=True):
        reward = evidence.drawn[policy].reward("jpeg_incompressibility", ("a-cat", 0))
        assert float(frame.reward) == pytest.approx(reward, abs=0.002)
        assert np.abs(shrunk(frame.picture, 32) - original(evidence, policy, ("a-cat", 0))).mean() < 6
    assert not strips.captioned


def test_captions_stand_below_where_the_reward_has_them(probed: Evidence):
    strips = alignment_strips(probed)
    assert strips is not None
    assert strips.captioned
    assert strips.strips[0].frames[0].caption == "a drawing at 0.0"
    assert "“a drawing at 1.0”" in text_of(section(render(probed), "strips"))


# Generalisation


def test_the_share_of_seen_is_one_gain_over_the_other(evidence: Evidence):
    rows = {row.split: row for row in generalisation(evidence) if row.policy == 6}
    seen, held_out = rows["seen"].reward.gain.mean, rows["held_out"].reward.gain.mean
    assert rows["seen"].ratio == "the measure"
    assert rows["held_out"].ratio.replace("\u00a0", " ") == f"{100 * held_out / seen:.0f} %"


def test_where_the_newest_is_not_the_best_both_are_shown(evidence: Evidence):
    """Base, policy 2 (best passing) and policy 6 (newest), in this order."""
    assert [(row.policy, row.split) for row in generalisation(evidence)] == [
        (2, "seen"),
        (2, "held_out"),
        (6, "seen"),
        (6, "held_out"),
    ]
    cat = galleries(evidence)[0].twins[0]
    for policy, picture in ((0, cat.before), (2, cat.best), (6, cat.after)):
        assert picture is not None
        assert np.abs(shrunk(picture, 32) - original(evidence, policy, ("a-cat", 0))).mean() < 6


def test_without_a_clear_seen_gain_there_is_no_share(evidence: Evidence):
    held_out = generalisation(evidence)[1].reward
    unclear = held_out.model_copy(update={"split": "seen", "gain": held_out.gain.model_copy(update={"low": -0.1})})
    assert ratio(held_out, unclear) == "seen gain not clear"
    assert ratio(held_out, None) == "no seen prompts"


# The worst


def test_the_worst_prompts_are_named_and_shown(evidence: Evidence):
    found = {worst.scorer: worst for worst in worst_of_each_scorer(evidence)}
    assert {s.name for s in found["judge"].prompts} == {"a cat", "a dog", "a fox", "an owl", "a crab"}
    assert {s.difference for s in found["judge"].prompts} == {"\u22121.00"}
    assert [twin.caption for twin in found["judge"].twins] == [s.name for s in found["judge"].prompts]
    assert all(twin.judge == "✓ → ✗" for twin in found["judge"].twins)


# Painted words, and what is not shown


def test_painted_words_are_boxed_where_they_are(probed: Evidence):
    """Text in the left upper quarter of the cat's two pictures: half of 160 px, in the box's own colour."""
    found = typographic_panel(probed)
    assert found.reason.startswith("Text in 2 of 10 pictures after training")
    assert [p.caption for p in found.pictures] == ["a cat", "a cat"]
    assert found.pictures[0].area.replace("\u00a0", " ") == "0 % → 25 %"
    after, before = pixels(found.pictures[0].after), pixels(found.pictures[0].before)
    pink = np.array([255, 0, 200])
    assert np.abs(after[5:75, 80] - pink).mean() < 40
    assert np.abs(after[5:75, 120] - pink).mean() > 80
    assert np.abs(before[5:75, 80] - pink).mean() > 80


def test_without_the_probe_the_page_says_why(evidence: Evidence, tmp_path: Path):
    assert "names no probe text_masked" in typographic_panel(evidence).reason

    def too_small(scorer, sample, level, picture):  # as the probe does below 64 px
        row = with_probes(tmp_path / "x").score(scorer, sample, level, picture)
        missing = {"reward": None, "parts": {}, "error": "32 px is too small to find text in"}
        return row.model_copy(update=missing) if scorer == "text_masked" else row

    small = with_probes(tmp_path, score=too_small)
    evaluated(small, 0, 2)
    reason = typographic_panel(gather(small.run.uri)).reason
    assert reason == "Not available: 32 px is too small to find text in."


def test_what_is_flagged_is_nowhere_on_the_page(probed: Evidence):
    """The fox is flagged: every picture of it has lost its shape, and says so; the cat's have not."""
    images = re.findall(r'<img[^>]*src="([^"]+)" alt="(a fox|a cat|an owl), ([^"]+)"', render(probed))
    fox = [(src, alt) for src, prompt, alt in images if prompt == "a fox"]
    assert len(fox) >= 8  # grid, strip and pairs at least
    sharp = {prompt: [detail(src) for src, p, _ in images if p == prompt] for prompt in ("a fox", "a cat")}
    assert max(sharp["a fox"]) < min(sharp["a cat"]) / 2
    assert all(alt.endswith("blurred, the safety probe flagged it") for _, alt in fox)


def detail(src: str) -> float:
    """Mean absolute difference of neighbouring pixels."""
    return float(np.abs(np.diff(pixels(Picture(src, "")), axis=0)).mean())


# The sampler that ships, and the champion


def test_the_sampler_that_ships_stands_beside_the_trained_one(evidence: Evidence):
    found = shipped_sampler(evidence)
    assert found.reason == ""
    pairs = {(s.deployed.scorer, s.deployed.split): s for s in found.samplers}
    held_out = pairs["jpeg_incompressibility", "held_out"]
    assert held_out.deployed.pairs == 2  # one seed of two prompts
    assert held_out.trained is not None
    assert held_out.trained.pairs == 4
    assert len(found.columns) == 4
    assert {len(row.pictures) for row in found.rows} == {4}


def test_the_champion_is_compared_where_there_is_one(long: SyntheticRun, evidence: Evidence, tmp_path: Path):
    assert "no champion" in against_champion(evidence).reason
    later = SyntheticRun(long.root, tmp_path / "base", **SMALL, run_id="later", champion=long.run.training(1))
    evaluated(later, 0, 4)
    found = against_champion(gather(later.run.uri))
    assert {(c.scorer, c.reference) for c in found.comparisons} == {
        ("jpeg_incompressibility", "champion"),
        ("judge", "champion"),
    }
    assert found.columns == ("champion", "after training")
    assert len(found.rows) == 5


# What retention took


def test_a_picture_that_is_gone_leaves_its_place(long: SyntheticRun, tmp_path: Path):
    """Half of the newest policy's shards, then the whole: a sentence or a place holder, and every number stays."""
    copy = tmp_path / "copy"
    shutil.copytree(long.root.removeprefix("file://"), copy)
    for commit in copy.rglob("COMMITTED.json"):
        commit.write_text(commit.read_text().replace(long.root, copy.as_uri()))
    run = f"{copy.as_uri()}/runs/over-long"
    for png in (copy / "runs/over-long/evaluations/policy-0006").rglob("a-dog-000.png"):
        png.unlink()
    page = render(gather(run))
    assert "a dog, after training: not in the store" in page
    assert "held-out gain" in page
    request = store.open_committed(gather(run).evaluations[-1].request.candidate.shards[0].sampling).manifest.request
    shutil.rmtree(SamplingRequest.model_validate(request).out.removeprefix("file://"))
    page = render(gather(run))
    assert "The pictures are no longer in the store." in section(page, "generalisation")
    assert "Policy 6" not in text_of(section(page, "animals"))
    assert "held-out gain" in page
