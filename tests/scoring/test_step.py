"""The step, through its runner and a real store."""

from __future__ import annotations

import pytest
from PIL import Image

from components.core import store
from components.core.config import RewardConfig
from components.core.contracts import ScoringResult, StepName
from components.core.errors import BadData, BadRequest, MissingInput, Unavailable
from components.core.runner import run_request
from components.scoring.scorer import load_scorers
from tests.scoring.misbehaving import Misbehaving
from tests.scoring.shards import commit_shard, encode, flat, noise, prompt, reward_rows, scoring_request

BIG = RewardConfig(name="jpeg_incompressibility")
SMALL = RewardConfig(name="jpeg_compressibility")


def nan_at(*pictures: int) -> RewardConfig:
    return RewardConfig(
        name="tests.scoring.misbehaving:Misbehaving", options={"behaviour": "nan", "pictures": list(pictures)}
    )


def test_one_row_for_each_picture_and_scorer(store_root: str) -> None:
    commit_shard(store_root, [flat(), noise(0)], [prompt("cat"), prompt("owl")])
    request = scoring_request(store_root, BIG, SMALL)
    result = ScoringResult.model_validate(run_request(StepName.SCORING, request).result)
    rows = reward_rows(request)
    assert [(row.scorer, row.sample_id, row.reward) for row in rows] == [
        ("jpeg_incompressibility", "a-cat-000", 0.641),
        ("jpeg_incompressibility", "a-owl-000", 1.835),
        ("jpeg_compressibility", "a-cat-000", -0.641),
        ("jpeg_compressibility", "a-owl-000", -1.835),
    ]
    assert (result.scored, result.missing) == (2, 0)
    assert {row.scorer: row.scorer_id for row in rows} == result.scorer_ids


def test_the_same_request_gives_the_same_bytes(file_store: str) -> None:
    commit_shard(file_store, [noise(i) for i in range(5)])
    once, again = (
        run_request(StepName.SCORING, scoring_request(file_store, BIG, out=name)).content_digest for name in ("a", "b")
    )
    assert once == again


def test_a_scorer_sees_64_pictures_at_a_time(file_store: str) -> None:
    commit_shard(file_store, [flat()] * 130)
    config = nan_at(999)
    run_request(StepName.SCORING, scoring_request(file_store, config))
    (loaded,) = load_scorers([config])
    assert isinstance(loaded.reward, Misbehaving)
    assert loaded.reward.batches == [64, 64, 2]


def test_one_missing_reward_in_20_is_left_out_and_counted(file_store: str) -> None:
    commit_shard(file_store, [flat()] * 20)
    request = scoring_request(file_store, nan_at(7))
    result = ScoringResult.model_validate(run_request(StepName.SCORING, request).result)
    assert (result.scored, result.missing) == (19, 1)
    (gone,) = [row for row in reward_rows(request) if row.reward is None]
    assert (gone.sample_id, gone.error) == ("a-cat-007", "the reward is nan")


@pytest.mark.parametrize(("pictures", "missing"), [(19, (7,)), (20, (7, 8)), (39, (0, 38)), (1, (0,))])
def test_more_than_one_in_20_is_a_scorer_that_is_away(file_store: str, pictures: int, missing: tuple[int, ...]) -> None:
    commit_shard(file_store, [flat()] * pictures)
    with pytest.raises(
        Unavailable, match=f"{len(missing)} of {pictures} rewards of .* are missing.*: the reward is nan"
    ):
        run_request(StepName.SCORING, scoring_request(file_store, nan_at(*missing)))
    assert store.find(f"{file_store}/scoring") is None


def test_a_judge_may_be_missing_altogether(file_store: str) -> None:
    """Training goes by the reward; a judge that cannot judge only leaves its column empty."""
    commit_shard(file_store, [flat()] * 3)
    request = scoring_request(file_store, BIG, nan_at(0, 1, 2))
    result = ScoringResult.model_validate(run_request(StepName.SCORING, request).result)
    assert (result.scored, result.missing) == (3, 0)
    assert [row.reward for row in reward_rows(request)] == [0.641] * 3 + [None] * 3


def swap(data: bytes, place: str = "pictures/a-cat-001.png"):  # type: ignore[no-untyped-def]
    return lambda path, drawn: data if path == place else drawn


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (encode(noise(9)), r"a-cat-001\.png does not show the pixels that were drawn"),
        (encode(noise(1))[:300], r"a-cat-001\.png is no picture"),
        (b"not at all", r"a-cat-001\.png is no picture"),
        (encode(flat(), "JPEG"), r"a-cat-001 is a JPEG file"),
        (encode(noise(1), "JPEG"), r"a-cat-001\.png does not show the pixels"),
    ],
)
def test_a_picture_that_is_not_right_is_named(file_store: str, data: bytes, message: str) -> None:
    """A flat grey picture survives JPEG to the bit: only its format tells."""
    commit_shard(file_store, [flat(), flat()], spoil=swap(data))
    with pytest.raises(BadData, match=message):
        run_request(StepName.SCORING, scoring_request(file_store, BIG))


def test_a_palette_is_an_encoding_and_its_pixels_count(file_store: str) -> None:
    palette = encode(flat().convert("P", palette=Image.Palette.ADAPTIVE))
    commit_shard(file_store, [flat(), flat()], spoil=swap(palette))
    request = scoring_request(file_store, BIG)
    run_request(StepName.SCORING, request)
    assert [row.reward for row in reward_rows(request)] == [0.641, 0.641]


def test_no_shard_and_no_scorer(file_store: str) -> None:
    with pytest.raises(MissingInput, match="nothing is committed at"):
        run_request(StepName.SCORING, scoring_request(file_store, BIG))
    with pytest.raises(BadRequest, match="no scorer"):
        run_request(StepName.SCORING, scoring_request(file_store))
