"""Scores that were had before: the same rows, fewer questions, and never a reason to fail."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from components.core import store
from components.core.config import RewardConfig
from components.core.contracts import StepName, canonical_json
from components.core.errors import Unavailable
from components.core.records import SampleRow
from components.core.runner import run_request
from components.scoring.rewards.reward import Score
from components.scoring.score_cache import ScoreCache
from components.scoring.scorer import Scorer, _load, load_scorers
from tests.scoring.misbehaving import Misbehaving, MisbehavingOptions
from tests.scoring.shards import commit_shard, flat, noise, prompt, prompts, scoring_request

MISBEHAVING = "tests.scoring.misbehaving:Misbehaving"


def sample(index: int = 0, picture: str = "0" * 64, **changes: Any) -> SampleRow:
    return SampleRow(**prompt(index=index, **changes).model_dump(), seed=0, picture_sha256=picture)


def scorer(**options: Any) -> Scorer:
    """A scorer that nobody asked anything yet."""
    return Scorer("mine", Misbehaving(MisbehavingOptions(**options)), {"name": "mine"})


def asked(one: Scorer) -> list[int]:
    assert isinstance(one.reward, Misbehaving)
    return one.reward.batches


def dump(score: Score | None) -> bytes:
    assert score is not None
    return canonical_json(asdict(score))


@pytest.fixture
def cache(tmp_path: Path) -> ScoreCache:
    return ScoreCache(tmp_path / "not yet there")


def test_a_picture_is_scored_once_for_a_prompt(cache: ScoreCache) -> None:
    """Pictures 0 and 1 are known the second time, picture 2 is new: one question about one picture."""
    pictures, samples = [flat()] * 3, [sample(i) for i in range(3)]
    first = scorer().rows(samples[:2], pictures[:2], cache)
    again = scorer()
    assert again.rows(samples, pictures, cache)[:2] == first
    assert asked(again) == [1]
    assert again.rows(samples, pictures, cache)[:2] == first
    assert asked(again) == [1]


def test_pixels_shape_prompt_scorer_and_the_files_format_each_make_another_score(cache: ScoreCache) -> None:
    """A JPEG's pixels may be those of a PNG, and a reward that wants a lossless file must still be asked."""
    plain = Score(0.5)
    cache.keep("mine@1", [sample()], [flat()], [plain])
    lossy = flat()
    lossy.format = "JPEG"
    others: list[tuple[str, SampleRow, Image.Image]] = [
        ("mine@2", sample(), flat()),
        ("mine@1", sample(picture="1" * 64), flat()),
        ("mine@1", sample(animal="dog"), flat()),
        ("mine@1", sample(index=1), flat()),
        ("mine@1", sample(), lossy),
        ("mine@1", sample(), flat().resize((64, 16))),  # as many pixels, in the same order
    ]
    assert cache.find("mine@1", [sample()], [flat()]) == [plain]
    for scorer_id, row, picture in others:
        assert cache.find(scorer_id, [row], [picture]) == [None]


def test_a_score_comes_back_to_the_bit_with_its_parts(cache: ScoreCache) -> None:
    kept = [Score(0.1 + 0.2, {"caption": "eine Kätzchen", "n": 3, "deep": [{"x": None}, -0.0]}), Score(-1e-300)]
    samples = [sample(0), sample(1)]
    cache.keep("mine@1", samples, [flat()] * 2, kept)
    found = cache.find("mine@1", samples, [flat()] * 2)
    assert found == kept
    assert [dump(score) for score in found] == [dump(score) for score in kept]  # -0.0 is 0 to ==, and 3.0 is 3


def test_a_missing_score_is_asked_for_again(cache: ScoreCache) -> None:
    one = scorer(behaviour="none", pictures=(1,))
    samples = [sample(i) for i in range(3)]
    assert [row.reward for row in one.rows(samples, [flat()] * 3, cache)] == [0.5, None, 0.5]
    assert [row.reward for row in one.rows(samples, [flat()] * 3, cache)] == [0.5, None, 0.5]
    assert asked(one) == [3, 1]


def test_a_step_commits_the_same_bytes_with_it_and_without(
    file_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, filling it, from it: three commits of one content. The third asks the scorer nothing."""
    commit_shard(file_store, [noise(i) for i in range(5)])
    reward = RewardConfig(name=MISBEHAVING, options={"behaviour": "to the bit"})
    jpeg = RewardConfig(name="jpeg_incompressibility")

    def commit(out: str) -> str:
        return run_request(StepName.SCORING, scoring_request(file_store, jpeg, reward, out=out)).content_digest

    without = commit("without")
    monkeypatch.setenv("DDPO_SCORE_CACHE", str(tmp_path / "cache"))
    assert commit("filling") == without
    (mine,) = load_scorers([reward])
    assert asked(mine) == [5, 5]
    assert commit("from") == without
    assert asked(mine) == [5, 5]
    rows = [store.open_committed(f"{file_store}/{out}").read("rewards.jsonl") for out in ("without", "from")]
    assert rows[0] == rows[1]


def test_a_retry_asks_only_for_what_the_attempt_before_did_not_get(
    file_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 of 20 are missing, which is too many; the retry asks for these two."""
    monkeypatch.setenv("DDPO_SCORE_CACHE", str(tmp_path))
    commit_shard(file_store, [flat()] * 20)
    reward = RewardConfig(name=MISBEHAVING, options={"behaviour": "nan", "pictures": [3, 4]})
    _load.cache_clear()
    for _ in range(2):
        with pytest.raises(Unavailable, match="2 of 20 rewards"):
            run_request(StepName.SCORING, scoring_request(file_store, reward))
    assert asked(load_scorers([reward])[0]) == [20, 2]


@pytest.mark.parametrize("spoil", ["no directory", "no database", "no table"])
def test_a_cache_that_cannot_be_used_is_a_warning(tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture) -> None:
    directory = tmp_path / "cache"
    if spoil == "no directory":
        directory.write_text("a file")
    elif spoil == "no database":
        directory.mkdir()
        (directory / "scores.sqlite").write_text("no database" * 100)
    else:
        directory.mkdir()
        with closing(sqlite3.connect(directory / "scores.sqlite")) as another, another:
            another.execute("CREATE TABLE scores (another TEXT)")
    one, cache = scorer(), ScoreCache(directory)
    for _ in range(2):
        assert [row.reward for row in one.rows([sample()], [flat()], cache)] == [0.25]
    assert asked(one) == [1, 1]
    assert "no score is looked up or kept" in caplog.text


def test_processes_share_it(tmp_path: Path) -> None:
    """Three processes fill one new cache at once, with scores of their own and in common; all of them are there."""
    code = (
        "import sys; from pathlib import Path\n"
        "from components.core.records import SampleRow\n"
        "from components.scoring.rewards.reward import Score\n"
        "from components.scoring.score_cache import ScoreCache\n"
        "from PIL import Image\n"
        "def row(i): return SampleRow(prompt_id='p', index=i, text='', split='train', seed=0, picture_sha256='')\n"
        "cache, me, picture = ScoreCache(Path(sys.argv[1])), int(sys.argv[2]), Image.new('RGB', (1, 1))\n"
        "for i in range(8):\n"
        "    cache.keep('mine@1', [row(i), row(100 * me + i)], [picture] * 2, [Score(1.0), Score(float(me))])\n"
    )
    root = Path(__file__).parents[2]
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(me)], cwd=root) for me in range(1, 4)]
    assert [writer.wait() for writer in writers] == [0] * 3

    def row(i: int) -> SampleRow:
        return SampleRow(prompt_id="p", index=i, text="", split="train", seed=0, picture_sha256="")

    for me in range(1, 4):
        samples = [row(i) for i in range(8)] + [row(100 * me + i) for i in range(8)]
        found = ScoreCache(tmp_path).find("mine@1", samples, [Image.new("RGB", (1, 1))] * 16)
        assert [score.reward for score in found if score] == [1.0] * 8 + [float(me)] * 8


def test_without_the_variable_nothing_is_kept(file_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DDPO_SCORE_CACHE", raising=False)
    monkeypatch.chdir(tmp_path)
    commit_shard(file_store, [flat()], prompts(1))
    run_request(StepName.SCORING, scoring_request(file_store, RewardConfig()))
    assert list(tmp_path.glob("**/*.sqlite")) == []
