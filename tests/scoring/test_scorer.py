"""What becomes of what a reward answers; who a scorer is; and rewards of one's own."""

from __future__ import annotations

import doctest
import importlib
import math
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.config import RewardConfig
from components.core.errors import BadData, BadRequest, Unavailable
from components.core.records import PromptRow, RewardRow, SampleRow
from components.scoring.rewards.registry import BUILT_IN, reward_names
from components.scoring.rewards.reward import Score
from components.scoring.scorer import Scorer, _load, as_score, load_scorers
from tests.scoring.misbehaving import Misbehaving, MisbehavingOptions
from tests.scoring.shards import flat, noise, prompts

MISBEHAVING = "tests.scoring.misbehaving:Misbehaving"
COLOURFULNESS = "tests.scoring.colourfulness:Colourfulness"


@pytest.fixture
def fresh() -> Scorer:
    """A scorer that saw nothing yet."""
    return Scorer("mine", Misbehaving(MisbehavingOptions()), {"name": "mine"})


def scorer(name: str, **options: object) -> Scorer:
    return load_scorers([RewardConfig.model_validate({"name": name, "options": options})])[0]


def rows_of(behaviour: str, count: int = 3) -> list[RewardRow]:
    samples = [SampleRow(**row.model_dump(), seed=0, picture_sha256="") for row in prompts(count)]
    return scorer(MISBEHAVING, behaviour=behaviour, pictures=[1]).rows(samples, [flat()] * count)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("nan", "the reward is nan"),
        ("inf", "the reward is inf"),
        ("-inf", "the reward is -inf"),
        ("none", "the scorer gave no reward"),
        ("words", "the reward is no number: 'very good'"),
        ("parts", "the parts are not JSON: ValueError"),
    ],
)
def test_what_is_no_number_is_missing_with_its_reason_and_the_others_keep_theirs(behaviour: str, error: str) -> None:
    rows = rows_of(behaviour)
    assert [row.reward for row in rows] == [0.5, None, 0.5]
    assert rows[1].error is not None
    assert rows[1].error.startswith(error)
    assert rows[0].error is None


def test_an_exception_makes_the_whole_batch_missing() -> None:
    rows = rows_of("raise")
    assert [row.reward for row in rows] == [None] * 3
    assert {row.error for row in rows} == {"RuntimeError: the model fell over"}


def test_an_integer_is_a_reward() -> None:
    assert [row.reward for row in rows_of("integer")] == [0.5, 3.0, 0.5]


def test_another_number_of_scores_than_pictures_is_bad_data() -> None:
    with pytest.raises(BadData, match=r"Misbehaving gave 2 scores for 3 pictures"):
        rows_of("one short")


def test_a_step_error_is_what_it_says() -> None:
    with pytest.raises(Unavailable, match="the reward server is busy"):
        rows_of("busy")


@settings(deadline=None)
@given(st.floats() | st.integers() | st.none() | st.booleans())
def test_a_score_is_finite_or_missing_with_a_reason(answer: float | None) -> None:
    score = as_score(answer)
    assert (score.reward is None) == (score.error is not None)
    assert score.reward is None or (math.isfinite(score.reward) and score.reward == float(answer))


def test_numpy_numbers_are_numbers() -> None:
    score = as_score(Score(np.float32(0.5), {"area": np.float32(2.5)}))  # type: ignore[dict-item]
    assert score == Score(0.5, {"area": 2.5})
    assert type(score.reward) is float


def test_a_reward_of_ones_own_is_a_class_of_less_than_30_lines() -> None:
    assert len(Path(__file__).with_name("colourfulness.py").read_text().splitlines()) < 30


def test_colourfulness_by_hand() -> None:
    """Pure red: r - g = 255, (r + g)/2 - b = 127.5, no spread: 0.3 * sqrt(255^2 + 127.5^2) = 85.53. Grey: 0."""
    colourful = scorer(COLOURFULNESS)
    samples: list[PromptRow] = prompts(3)
    red, grey, speckled = colourful.reward.score([flat(colour=(255, 0, 0)), flat(), noise()], samples)
    assert red == pytest.approx(85.53, abs=0.005)
    assert grey == 0
    assert isinstance(speckled, float)
    assert speckled > 100


def test_an_option_of_ones_own_is_checked_and_is_another_scorer() -> None:
    assert scorer(COLOURFULNESS, spread=2.0).id != scorer(COLOURFULNESS).id
    with pytest.raises(BadRequest, match="spread = -1: should be greater than or equal to 0"):
        scorer(COLOURFULNESS, spread=-1)


def test_edited_code_of_ones_own_is_another_scorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(__file__).with_name("colourfulness.py").read_text()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in (("mine_v1", source), ("mine_v2", source.replace("0.3", "0.4"))):
        (tmp_path / f"{name}.py").write_text(text)
    descriptions = [scorer(f"{name}:Colourfulness").description for name in ("mine_v1", "mine_v2")]
    assert descriptions[0]["source"] != descriptions[1]["source"]


def test_an_installed_package_brings_a_reward_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "colours-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: colours\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[ddpo.rewards]\ncolourfulness = {COLOURFULNESS}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "colourfulness" in reward_names()
    assert scorer("colourfulness").id.startswith("colourfulness@")
    assert "source" in scorer("colourfulness").description


def test_another_release_of_a_package_is_another_scorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the reward is the same; what it imports from its package may not be."""
    ids = []
    (tmp_path / "hues.py").write_text(Path(__file__).with_name("colourfulness.py").read_text())
    monkeypatch.syspath_prepend(str(tmp_path))
    for release in ("1.0", "1.1"):
        metadata = tmp_path / "hues.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: hues\nVersion: {release}\n")
        (metadata / "top_level.txt").write_text("hues\n")
        _load.cache_clear()
        ids.append(scorer("hues:Colourfulness").id)
        assert scorer("hues:Colourfulness").description["packages"] == [f"hues {release}"]
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jpeg", r"no reward named 'jpeg' \(there is aesthetic, alignment, "),
        ("no_such_package.rewards:Best", "cannot be imported: No module named 'no_such_package'"),
        ("tests.scoring.colourfulness:Nothing", "cannot be imported: .* no attribute 'Nothing'"),
        ("tests.scoring.misbehaving:NoReward", "is no reward: it has no Options, identity"),
    ],
)
def test_what_is_no_reward_is_refused_by_name(name: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        scorer(name)


def test_a_judge_is_never_the_reward() -> None:
    with pytest.raises(BadRequest, match="scorer judge is asked for twice"):
        load_scorers([RewardConfig(name="judge"), RewardConfig(name="judge")])


def test_a_scorer_is_made_once_a_process() -> None:
    first, again = (scorer(MISBEHAVING, behaviour="made once") for _ in range(2))
    assert first is again
    assert Misbehaving.made.count("made once") == 1


def test_a_probe_that_asks_another_scorer_gets_the_scores_of_the_last_batch(fresh: Scorer) -> None:
    """Pictures 0 and 2 have a row; another picture, or the same picture for another prompt, is scored."""
    asked = [SampleRow(**row.model_dump(), seed=0, picture_sha256="") for row in prompts(3)]
    pictures, other = [flat(), noise(), flat()], flat(colour=(9, 9, 9))
    reward = fresh.reward
    assert isinstance(reward, Misbehaving)
    rows = fresh.rows(asked, pictures)
    assert [score.reward for score in fresh.scores(asked, [pictures[0], other, pictures[2]])] == [0.25] * 3
    assert reward.batches == [3, 1]
    assert [score.reward for score in fresh.scores(asked[:1], pictures[1:2])] == [rows[0].reward]
    assert reward.batches == [3, 1, 1]
    assert fresh.scores([], []) == []
    assert reward.batches == [3, 1, 1]


def test_the_pictures_of_the_last_batch_are_not_kept_alive(fresh: Scorer) -> None:
    picture = flat()
    fresh.rows([SampleRow(**prompts(1)[0].model_dump(), seed=0, picture_sha256="")], [picture])
    gone = weakref.ref(picture)
    del picture
    assert gone() is None


def test_jpeg_needs_no_torch() -> None:
    """An operator's CPU image for the JPEG rewards is small."""
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "import components.scoring.step; from components.scoring.scorer import load_scorers\n"
        "from components.core.config import RewardConfig; load_scorers([RewardConfig()])"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_the_names_of_the_rewards_are_known_without_torch_or_pictures() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'PIL', 'cv2', 'diffusers', 'transformers')))\n"
        "from components.scoring.rewards.registry import reward_names; print(*reward_names())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert set(BUILT_IN) <= set(said.stdout.split())


def test_every_built_in_reward_can_be_found() -> None:
    assert set(BUILT_IN) <= set(reward_names())
    for path in BUILT_IN.values():
        assert path.startswith("components.scoring.rewards.")


@pytest.mark.parametrize("module", ["scorer", "rewards.registry", "rewards.combined", "server.__main__"])
def test_the_examples_run(module: str) -> None:
    results = doctest.testmod(importlib.import_module(f"components.scoring.{module}"))
    assert (results.failed, results.attempted > 0) == (0, True)
