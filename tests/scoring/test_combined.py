"""Weighted sums of normalised rewards, and products of rewards in [0, 1]."""

from __future__ import annotations

from typing import Any

import pytest

from components.core.config import RewardConfig
from components.core.errors import BadData, BadRequest
from components.core.records import RewardRow, SampleRow
from components.scoring.scorer import load_scorers, refuse_paid_judges
from tests.scoring.server.serving import scorer
from tests.scoring.shards import flat, noise, prompts

MISBEHAVING = "tests.scoring.misbehaving:Misbehaving"
BIG: dict[str, Any] = {"name": "jpeg_incompressibility"}
QUARTER: dict[str, Any] = {"name": MISBEHAVING}


def combined(*of: dict[str, Any], **options: Any) -> list[RewardRow]:
    """Rows of a grey picture (641 bytes of JPEG) and a noisy one (1835)."""
    samples = [SampleRow(**row.model_dump(), seed=0, picture_sha256="") for row in prompts(2)]
    return scorer("combined", of=list(of), **options).rows(samples, [flat(), noise(0)])


def test_a_sum_of_normalised_rewards_by_hand() -> None:
    """2 x (0.641 - 1.641) / 0.5 - 1 x 0.25 = -4.25; 2 x (1.835 - 1.641) / 0.5 - 0.25 = 0.526."""
    grey, noisy = combined({"reward": BIG, "weight": 2, "mean": 1.641, "sd": 0.5}, {"reward": QUARTER, "weight": -1})
    assert grey.reward == pytest.approx(-4.25, abs=1e-12)
    assert noisy.reward == pytest.approx(0.526, abs=1e-12)
    assert grey.parts == {
        "jpeg_incompressibility": {"reward": 0.641, "bytes": 641},
        MISBEHAVING: {"reward": 0.25},
    }


def test_a_product_with_exponents_by_hand() -> None:
    """0.25 ** 0.5 x 0.25 = 0.125."""
    again = {"name": f"{MISBEHAVING}/again", "options": {"pictures": [0, 1]}}
    rows = combined({"reward": QUARTER, "weight": 0.5}, {"reward": again}, form="product")
    assert [row.reward for row in rows] == [0.125, 0.125]
    assert set(rows[0].parts) == {MISBEHAVING, f"{MISBEHAVING}/again"}


@pytest.mark.parametrize(("of", "said"), [([BIG, QUARTER], "1.835"), ([{"name": "jpeg_compressibility"}], "-0.641")])
def test_a_product_takes_nothing_outside_0_to_1(of: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(BadData, match=rf"gave a-cat-00[01] {said}, and a product takes rewards in \[0, 1\] only"):
        combined(*({"reward": reward} for reward in of), form="product")


def test_a_missing_component_makes_the_whole_missing_and_the_others_stay_to_be_read() -> None:
    gone = {"name": MISBEHAVING, "options": {"behaviour": "nan", "pictures": [1]}}
    here, missing = combined({"reward": BIG}, {"reward": gone})
    assert here.reward == pytest.approx(0.641 + 0.5, abs=1e-12)
    assert (missing.reward, missing.error) == (None, f"{MISBEHAVING}: the reward is nan")
    assert missing.parts["jpeg_incompressibility"] == {"reward": 1.835, "bytes": 1835}
    assert missing.parts[MISBEHAVING] == {"reward": None}


def test_everything_that_decides_the_number_makes_another_scorer() -> None:
    variants: list[dict[str, Any]] = [
        {"of": [{"reward": BIG}]},
        {"of": [{"reward": BIG, "weight": 2}]},
        {"of": [{"reward": BIG, "mean": 1}]},
        {"of": [{"reward": BIG, "sd": 2}]},
        {"of": [{"reward": {**BIG, "options": {"quality": 90}}}]},
        {"of": [{"reward": BIG}], "form": "product"},
        {"of": [{"reward": BIG}, {"reward": QUARTER}]},
    ]
    assert len({scorer("combined", **options).id for options in variants}) == len(variants)
    written_out = {"of": [{"reward": {**BIG, "options": {"quality": 95}}, "weight": 1, "sd": 1}]}
    assert scorer("combined", **written_out).id == scorer("combined", **variants[0]).id


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"of": []}, "of"),
        ({}, "of: missing"),
        ({"of": [{"reward": BIG, "weight": 0}]}, "the weight of jpeg_incompressibility is 0"),
        ({"of": [{"reward": BIG, "weight": -1}], "form": "product"}, "the weight of jpeg_incompressibility is -1"),
        ({"of": [{"reward": BIG, "mean": 1}], "form": "product"}, "a product has no mean and sd"),
        ({"of": [{"reward": BIG, "sd": 0}]}, "sd = 0"),
        ({"of": [{"reward": {"name": "jpeg"}}]}, "no reward named 'jpeg'"),
        ({"of": [{"reward": BIG}, {"reward": BIG}]}, "jpeg_incompressibility is asked for twice"),
    ],
)
def test_what_cannot_be_combined_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        scorer("combined", **options)


def test_a_reward_under_another_label_is_still_no_judge_of_itself() -> None:
    """Two of one kind may stand side by side where they differ, and only there."""
    name = "jpeg_incompressibility"
    other = RewardConfig(name=f"{name}/fine", options={"subsampling": "4:4:4"})
    assert [one.name for one in load_scorers([RewardConfig(name=name), other])] == [name, f"{name}/fine"]
    with pytest.raises(BadRequest, match=f"{name}/again is {name} under another name"):
        load_scorers([RewardConfig(name=name), RewardConfig(name=f"{name}/again")])


def test_a_part_of_the_reward_is_no_judge_of_it() -> None:
    """Under a label and however deep it lies; with other options it is another scorer, and may judge."""
    jpeg = {"reward": {"name": "jpeg_compressibility/mine", "options": {"quality": 80}}}
    inner = {"reward": {"name": "combined/inner", "options": {"of": [jpeg]}}}
    (reward,) = load_scorers([RewardConfig(name="combined", options={"of": [inner]})])
    judges = load_scorers([RewardConfig(name="jpeg_compressibility", options={"quality": 70})])
    refuse_paid_judges(reward, judges)
    same = load_scorers([RewardConfig(name="jpeg_compressibility", options={"quality": 80})])
    with pytest.raises(BadRequest, match="jpeg_compressibility is jpeg_compressibility/mine, a part of combined"):
        refuse_paid_judges(reward, same)
