"""A reward that can be fooled fails, and the probe that it was built to fail says so; a sound one passes."""

from __future__ import annotations

import doctest
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.core import audit, store
from components.core.audit import AuditResult
from components.core.config import RewardConfig
from components.core.errors import BadRequest, MissingInput
from components.core.layout import audits
from components.core.records import PromptRow
from components.scoring.audit import __main__ as command
from components.scoring.audit import answers, exhibits, page, probes, record
from components.scoring.audit.painting import letter_height, painted
from components.scoring.scorer import load_scorers
from tests.scoring.audit import shapes


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> exhibits.Exhibits:
    return exhibits.from_directory(shapes.gallery(tmp_path_factory.mktemp("discs")))


def audited(root: Path, discs: exhibits.Exhibits, name: str, **accepted: str) -> AuditResult:
    config = RewardConfig(name=name if ":" in name or name.islower() else f"tests.scoring.audit.shapes:{name}")
    (scorer,) = load_scorers([config])
    return record.audit(root.as_uri(), config, scorer, discs, accepted).result


def levels(result: AuditResult) -> dict[str, str | None]:
    return {finding.probe: finding.level for finding in result.findings}


def test_a_sound_reward_passes(tmp_path: Path, discs: exhibits.Exhibits) -> None:
    """A disc of 42 pixels across covers a third of 64 x 64; the letters cover some of the ground and of the disc."""
    result = audited(tmp_path, discs, "Sound")
    assert result.level == "pass"
    assert result.looks_at_prompt
    assert set(levels(result).values()) == {"pass"}


@pytest.mark.parametrize(
    ("name", "failing"),
    [("Reader", {"words"}), ("White", {"blank"}), ("Restless", {"order", "batch"}), ("Constant", {"constant"})],
)
def test_a_reward_that_can_be_fooled_fails_where_it_was_built_to(
    tmp_path: Path, discs: exhibits.Exhibits, name: str, failing: set[str]
) -> None:
    result = audited(tmp_path, discs, name)
    assert result.level == "fail"
    found = {probe for probe, level in levels(result).items() if level == "fail"}
    assert failing <= found
    assert name in ("Restless", "Constant") or failing == found  # these two spoil what others are measured in


def test_painted_words_are_measured_in_what_the_picture_earns(tmp_path: Path, discs: exhibits.Exhibits) -> None:
    """The reader pays 0.3 for words on white, and for the right picture its disc: the share is the ratio."""
    (words,) = [f for f in audited(tmp_path, discs, "Reader").findings if f.probe == "words"]
    disc = np.mean([shapes.Sound.true_share(None, e.picture, e.prompt.text) for e in discs.items])
    assert words.value == pytest.approx(0.3 / disc, abs=1e-6)
    assert words.level == "fail"


def test_what_fails_in_other_batches_is_named(tmp_path: Path, discs: exhibits.Exhibits) -> None:
    (batch,) = [f for f in audited(tmp_path, discs, "Away").findings if f.probe == "batch"]
    assert (batch.level, batch.reason) == ("fail", "12 pictures have a reward one time and none the other")


def test_the_rewards_of_the_tiny_base_are_what_they_are(tmp_path: Path) -> None:
    """The product of the embedded captioner passes on drawings. The JPEG rewards pay most for pictures of nothing."""
    drawings = exhibits.drawings()
    assert audited(tmp_path, drawings, "alignment").level == "pass"
    small = audited(tmp_path, drawings, "jpeg_compressibility")
    assert not small.looks_at_prompt
    assert levels(small) | {"swapped": None, "blank": "fail", "words": "pass"} == levels(small)


def test_what_a_person_accepts_is_a_warning(tmp_path: Path, discs: exhibits.Exhibits) -> None:
    """And the newest audit of a scorer counts."""
    failed = audited(tmp_path, discs, "White")
    assert audit.newest(tmp_path.as_uri(), failed.scorer_id) == failed
    meant = audited(tmp_path, discs, "White", blank="white is what we want")
    assert meant.level == "warn"
    assert audit.newest(tmp_path.as_uri(), failed.scorer_id) == meant
    with pytest.raises(BadRequest, match="no probe 'blanks'"):
        audited(tmp_path, discs, "White", blanks="a typing error")


def test_what_was_accepted_can_be_taken_back(tmp_path: Path, discs: exhibits.Exhibits) -> None:
    """By the audit without it, though it was made before: what a person reads last is what the gates read."""
    plain = audited(tmp_path, discs, "White")
    for _ in range(2):
        meant = audited(tmp_path, discs, "White", blank="white is what we want")
        assert audit.newest(tmp_path.as_uri(), plain.scorer_id) == meant
        again = audited(tmp_path, discs, "White")
        assert again == audit.newest(tmp_path.as_uri(), plain.scorer_id) == plain
    before = sorted(store.below(tmp_path.as_uri()))
    audited(tmp_path, discs, "White")
    assert sorted(store.below(tmp_path.as_uri())) == before
    assert len(store.children(audits(tmp_path.as_uri(), plain.scorer_id))) == 5


def test_the_same_audit_is_read_and_not_made_again(tmp_path: Path, discs: exhibits.Exhibits) -> None:
    audited(tmp_path, discs, "Sound")
    before = sorted(store.below(tmp_path.as_uri()))
    audited(tmp_path, discs, "Sound")
    assert sorted(store.below(tmp_path.as_uri())) == before


def test_the_command_ends_with_1_where_it_fails_and_writes_page_and_numbers(tmp_path: Path) -> None:
    pictures, out = shapes.gallery(tmp_path / "discs"), tmp_path / "pages" / "white.html"
    shared = ["--pictures", str(pictures), "--store", (tmp_path / "store").as_uri(), "--out", str(out)]
    assert command.main(["--reward", "tests.scoring.audit.shapes:White", *shared]) == 1
    assert json.loads(out.with_suffix(".json").read_text())["level"] == "fail"
    html = out.read_text()
    assert "This reward can be fooled" in html
    assert "<script" not in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert command.main(["--reward", "tests.scoring.audit.shapes:Sound", *shared]) == 0
    assert command.main(["--reward", "nonesuch", *shared]) == 64
    assert command.main(["--reward", "judge", *shared, "--accept", "blank"]) == 64


def test_a_directory_that_will_not_do_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"no prompts\.toml in"):
        exhibits.from_directory(tmp_path)
    directory = shapes.gallery(tmp_path / "discs")
    (directory / "red-0.png").unlink()
    with pytest.raises(MissingInput, match=r"no red-0\.png"):
        exhibits.from_directory(directory)
    (directory / "prompts.toml").write_text('"green-0.png" = {txt = "a green disc"}')
    with pytest.raises(BadRequest, match="text: missing"):
        exhibits.from_directory(directory)
    (directory / "prompts.toml").write_text("\n".join(f'"green-{i}.png" = "a green disc"' for i in range(3)))
    with pytest.raises(BadRequest, match="at least 4"):
        exhibits.from_directory(directory)


@pytest.mark.parametrize(("side", "least"), [(32, 6), (64, 9), (512, 30)])
def test_words_are_painted_legibly_within_the_picture(side: int, least: int) -> None:
    """Letters are black, and from 64 pixels upwards the upper half of the picture stays as it was."""
    grey = Image.new("RGB", (side, side), (150, 150, 150))
    shown = np.asarray(painted(grey, "a lion riding a bike"))
    assert letter_height((side, side), "a lion riding a bike") >= least
    assert (shown.max(-1) < 60).sum() > side
    assert side < 64 or (shown[: side // 2] == 150).all()
    assert (shown[:, 0] == 150).all()


def test_a_number_is_painted_as_a_number() -> None:
    """Whichever way of writing it pays more counts."""

    class Digits:
        def score(self, pictures, prompts):
            three = painted(Image.new("RGB", (64, 64), "white"), "3").tobytes()
            return [1.0 if picture.tobytes() == three else 0.0 for picture in pictures]

    rows = [PromptRow(prompt_id=f"{n}", index=0, text=f"{n} cats", split="", count=n) for n in (3, 2, 4, 5)]
    shown = tuple(exhibits.Exhibit(Image.new("RGB", (64, 64), (n, 0, 0)), row) for n, row in enumerate(rows))
    assert answers.ask(Digits(), exhibits.Exhibits("cats", shown)).painted["white"] == (1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("module", ["answers", "page", "probes"])
def test_the_examples_in_its_docstrings_hold(module: str) -> None:
    assert doctest.testmod(importlib.import_module(f"components.scoring.audit.{module}")).failed == 0


def test_a_page_says_the_same_for_the_same_answers(discs: exhibits.Exhibits) -> None:
    (scorer,) = load_scorers([RewardConfig(name="tests.scoring.audit.shapes:Sound")])
    said = answers.ask(scorer.reward, discs)
    partners = [discs.partner(i) for i in range(len(discs.items))]
    result = AuditResult(
        scorer_id=scorer.id, level="pass", findings=probes.findings(said, partners), pictures=12, looks_at_prompt=True
    )
    assert page.render(scorer, discs, said, result) == page.render(scorer, discs, said, result)
    assert "a red disc" in page.render(scorer, discs, said, result)
