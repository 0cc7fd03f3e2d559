"""Tables of limits: which apply, and to whom they are silent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from components.core import store
from components.core.config import BaseModelConfig
from components.core.errors import BadData, BadRequest, MissingInput
from components.evaluation import limits
from components.evaluation.limits import NONE, Calibration, Limit, applying, load

TABLE = Calibration(
    name="mine",
    base_id="base",
    evaluation_set="tiny-v1",
    limits={"kl_to_base": Limit(warn=8, fail=10), "statistic:contrast": Limit(warn=1, fail=2)},
    rewards={"jpeg_compressibility": {"kl_to_base": Limit(warn=3, fail=4)}},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "mine.json"
    file.write_text(TABLE.model_dump_json())
    return file


def test_limits_of_the_reward_go_before_those_of_any(path: Path):
    of = applying(str(path), base_id="base", evaluation_set="tiny-v1", reward="jpeg_compressibility").of
    assert of("kl_to_base") == Limit(warn=3, fail=4)
    assert of("statistic:contrast") == Limit(warn=1, fail=2)
    assert of("statistic:brightness") is None
    other = applying(str(path), base_id="base", evaluation_set="tiny-v1", reward="alignment")
    assert other.of("kl_to_base") == Limit(warn=8, fail=10)


@pytest.mark.parametrize(
    ("base", "evaluation_set", "said"),
    [("sd15", "tiny-v1", "measured on another base"), ("base", "animals-v1", "measured on tiny-v1")],
)
def test_a_table_is_silent_about_another_base_or_set(path: Path, base: str, evaluation_set: str, said: str):
    """And says what to do: another model's noise is no limit."""
    found = applying(str(path), base_id=base, evaluation_set=evaluation_set, reward="r")
    assert found.of("kl_to_base") is None
    assert said in found.why_silent("kl_to_base")
    assert "`python -m benchmarks.calibration` makes a table" in found.why_silent("kl_to_base")
    assert found.label.startswith("none (mine: another ")  # which table was asked, and that none applied


def test_no_table_is_none():
    found = applying(NONE, base_id="base", evaluation_set="tiny-v1", reward="r")
    assert (found.label, found.of("kl_to_base")) == ("none", None)


def test_a_table_is_named_by_the_digest_of_its_bytes(path: Path):
    label = applying(str(path), base_id="base", evaluation_set="tiny-v1", reward="r").label
    assert label == f"mine@{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def test_a_table_lies_in_a_store_too(store_root: str):
    store.create(f"{store_root}/calibrations/mine.json", TABLE.model_dump_json().encode())
    assert load(f"{store_root}/calibrations/mine.json")[0] == TABLE


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(BadRequest, match=r"no calibration named 'tiny-v9' .*tiny-v1"):
        load("tiny-v9")


def test_a_path_that_is_not_there_is_missing(tmp_path: Path):
    with pytest.raises(MissingInput, match=r"guard\.calibration = .*gone\.json"):
        load(str(tmp_path / "gone.json"))


def test_a_table_with_a_typo_is_refused(path: Path):
    path.write_text(path.read_text().replace('"warn"', '"wran"', 1))
    with pytest.raises(BadData, match="wran: unknown key"):
        load(str(path))


# The table that comes with the project


def test_the_shipped_table_is_of_the_shipped_base():
    """Retraining the embedded base without a new table would silence the guard: this says so first."""
    loading = pytest.importorskip("components.policy.load")
    assert load("tiny-v1")[0].base_id == loading.policy_id(BaseModelConfig(), b"")


def test_in_the_shipped_table_chance_and_healthy_runs_lie_within():
    """Every fail limit beyond its warning, every warning beyond the farthest healthy run and seed set."""
    table, _ = load("tiny-v1")
    assert set(table.rewards) == {"jpeg_compressibility", "jpeg_incompressibility"}
    for of in (table.limits, *table.rewards.values()):
        for name, limit in of.items():
            below = name.startswith("diversity")
            inwards = [limit.fail, limit.warn, limit.healthy] if below else [limit.healthy, limit.warn, limit.fail]
            assert None not in inwards
            assert inwards == sorted(inwards), name  # type: ignore[type-var]
            if limit.null is not None:  # without a gain, chance says nothing about what hangs on text
                assert limit.null > limit.warn if below else limit.null <= limit.warn  # type: ignore[operator]


def test_every_shipped_name_loads():
    for name in limits.names():
        assert load(name)[0].name == name
