"""Painted words are found and painted over; pictures without words keep their reward to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.core.config import EvaluationConfig, RewardConfig, RunConfig
from components.core.contracts import StepName
from components.core.errors import BadRequest
from components.core.plan import scorers
from components.core.runner import run_request
from components.scoring.rewards.text_boxes import Box, find_text
from components.scoring.rewards.text_masked import TextMasked, TextMaskedOptions, mask_text, text_area
from components.scoring.scorer import Scorer, load_scorers
from tests.scoring.misbehaving import Misbehaving
from tests.scoring.painted import CLEAN, GARBLED, PLAIN, Painted, paint
from tests.scoring.shards import commit_shard, flat, noise, prompts, reward_rows, scoring_request

REWARD = RewardConfig(name="jpeg_incompressibility")
MASKED = RewardConfig(name="text_masked", options={"reward": REWARD.model_dump(mode="json")})


def covered(boxes: list[Box], size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size[::-1], bool)
    for x, y, w, h in boxes:
        mask[y : y + h, x : x + w] = True
    return mask


def found(painted: Painted) -> tuple[bool, float]:
    """Whether boxes cover 80 % of the word, and the share of the picture that they cover besides."""
    mask = covered(find_text(painted.picture), painted.picture.size)
    left, top, right, bottom = painted.word
    word = mask[top:bottom, left:right]
    return bool(word.mean() >= 0.8), float(mask.sum() - word.sum()) / mask.size


@pytest.mark.slow
@pytest.mark.parametrize("side", [64, 256, 512])
@pytest.mark.parametrize("words", [CLEAN, GARBLED], ids=["clean", "garbled"])
def test_most_words_are_found_whatever_they_spell(words: tuple[str, ...], side: int) -> None:
    """71 to 92 % of 24; of these 15 at least 60 %. What is covered beside a word is its margin."""
    outcome = [found(paint(words[seed % len(words)], side, seed)) for seed in range(15)]
    assert np.mean([hit for hit, _ in outcome]) >= 0.6
    assert np.mean([beside for _, beside in outcome]) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("side", [64, 256, 512])
@pytest.mark.parametrize("kind", PLAIN)
def test_no_words_are_found_where_there_are_none(kind: str, side: int) -> None:
    """0 % of 12 each; of these 5 not more than 0.5 % of the area."""
    pictures = [PLAIN[kind](np.random.default_rng([seed, side]), side) for seed in range(5)]
    assert np.mean([text_area(find_text(picture), picture.size) for picture in pictures]) <= 0.005


@pytest.fixture
def painted() -> Painted:
    """A garbled word on a flat background."""
    return paint("ttutttas", 256, 3)


def test_a_found_word_is_boxed_and_gone_without_a_trace(painted: Painted) -> None:
    """On one colour the filling is that colour, so the masked picture is flat: the JPEG of a flat picture."""
    picture = painted.picture
    masked = mask_text(picture, find_text(picture))
    assert masked.getcolors() == [(256 * 256, picture.getpixel((0, 0)))]
    assert len(picture.getcolors() or []) > 1  # and the picture itself is left alone
    (score,) = TextMasked(TextMaskedOptions(reward=REWARD)).score([picture], prompts(1))
    (plain,) = load_scorers([REWARD])[0].scores(prompts(1), [picture])
    (empty,) = load_scorers([REWARD])[0].scores(prompts(1), [flat(256, picture.getpixel((0, 0)))])
    assert score.reward == empty.reward
    assert plain.reward is not None
    assert empty.reward is not None
    assert plain.reward > empty.reward + 0.5
    (x, y, w, h) = score.parts["boxes"][0]  # type: ignore[index,misc]
    left, top, right, bottom = painted.word
    assert x <= left
    assert y <= top
    assert x + w >= right
    assert y + h >= bottom
    assert score.parts["text_area"] == w * h / 256**2


def test_boxes_are_inside_and_do_not_overlap() -> None:
    one, other = paint("turtles", 512, 0).picture, paint("rkzvee", 512, 3).picture
    both = Image.blend(one, other, 0.5)
    boxes = find_text(both)
    assert all(x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= 512 and y + h <= 512 for x, y, w, h in boxes)
    assert covered(boxes, both.size).sum() == sum(w * h for _, _, w, h in boxes)


def test_a_picture_that_is_all_text_becomes_its_mean() -> None:
    half = Image.fromarray(
        np.repeat(np.array([[[0, 0, 0]], [[200, 100, 50]]], np.uint8), 64, axis=1).repeat(32, axis=0)
    )
    assert mask_text(half, [(0, 0, 64, 64)]).getcolors() == [(64 * 64, (100, 50, 25))]


def test_without_text_nothing_changes() -> None:
    picture = noise(0, 128)
    assert mask_text(picture, []) is picture
    (score,) = TextMasked(TextMaskedOptions(reward=REWARD)).score([picture], prompts(1))
    (plain,) = load_scorers([REWARD])[0].scores(prompts(1), [picture])
    assert score.reward == plain.reward
    assert score.parts == {"text_area": 0.0, "boxes": []}


@pytest.mark.parametrize(("size", "missing"), [((63, 512), True), ((64, 64), False), ((32, 32), True)])
def test_below_64_px_it_is_not_available(size: tuple[int, int], missing: bool) -> None:
    (score,) = TextMasked(TextMaskedOptions()).score([Image.new("RGB", size)], prompts(1))
    assert (score.reward is None) == missing
    assert score.error == ("text is looked for from 64 px upwards" if missing else None)


def test_only_pictures_with_text_are_scored_again(painted: Painted, file_store: str) -> None:
    """The run's reward sees four pictures, and once more the one whose word is painted over."""
    counted = RewardConfig(name="tests.scoring.misbehaving:Misbehaving", options={"behaviour": "counted again"})
    commit_shard(file_store, [flat(64), painted.picture, flat(64), flat(32)])
    probe = RewardConfig(name="text_masked", options={"reward": counted.model_dump(mode="json")})
    request = scoring_request(file_store, counted, probe)
    run_request(StepName.SCORING, request)
    (loaded,) = load_scorers([counted])
    assert isinstance(loaded.reward, Misbehaving)
    assert loaded.reward.batches == [4, 1]
    assert [row.reward for row in reward_rows(request)] == [0.25] * 4 + [0.25] * 3 + [None]


def test_the_plan_fills_in_the_runs_own_reward_and_it_is_the_same_scorer() -> None:
    config = RunConfig(reward=REWARD, evaluation=EvaluationConfig(probes=(RewardConfig(name="text_masked"),)))
    reward, _, probe = load_scorers(scorers(config))
    assert isinstance(probe.reward, TextMasked)
    assert probe.reward._scorer is reward
    assert probe.description["identity"]["reward"] == reward.description  # type: ignore[index,call-overload]


def test_a_missing_reward_stays_missing() -> None:
    teapot: Any = prompts(1)[0].model_copy(update={"animal": None})
    (score,) = TextMasked(TextMaskedOptions(reward=RewardConfig(name="judge"))).score([flat(64)], [teapot])
    assert (score.reward, score.parts["text_area"]) == (None, 0.0)
    assert score.error is not None


def test_wrong_options_are_named() -> None:
    with pytest.raises(BadRequest, match="min_side = 32: should be greater than or equal to 64"):
        load_scorers([RewardConfig(name="text_masked", options={"min_side": 32})])
    with pytest.raises(BadRequest, match="no reward named 'nobody'"):
        load_scorers([RewardConfig(name="text_masked", options={"reward": {"name": "nobody"}})])


def test_who_asks_another_reward_is_another_scorer() -> None:
    other = RewardConfig(name="text_masked", options={"reward": {"name": "jpeg_compressibility"}})
    ids: list[Scorer] = [*load_scorers([MASKED]), *load_scorers([other])]
    assert ids[0].id != ids[1].id
