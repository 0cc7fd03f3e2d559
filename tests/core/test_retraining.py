"""A schedule trains when something is new, and not over a run that is not finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core import campaign, retraining
from components.core.config import RunConfig, parse_config
from components.core.errors import Conflict
from components.core.opening import open_run
from tests.core.campaigns import SyntheticCampaign, base_directory


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """One iteration."""
    return parse_config({"iterations": 1, "base": base_directory(tmp_path / "base").model_dump()})


def finished(store: str, run_id: str, config: RunConfig, preset: str = "weekly") -> None:
    """A run of the preset that came to its end."""
    run = SyntheticCampaign(open_run(store, run_id, config, preset=preset), config)
    for k in range(config.iterations):
        run.iterate(k, steps=("training",))


def test_the_first_run_of_a_preset_needs_no_reason(store_root: str, config: RunConfig) -> None:
    finished(store_root, "other", config, preset="another")
    found = retraining.reasons(store_root, "weekly", config)
    assert (found.previous, found.changed, found.said) == (None, (), "the first run of this preset")


def test_an_unchanged_monday_has_none(store_root: str, config: RunConfig) -> None:
    finished(store_root, "monday", config)
    found = retraining.reasons(store_root, "weekly", config)
    assert (found.previous, found.changed, found.said) == ("monday", (), "nothing changed since monday")


def test_what_changed_is_named_with_its_old_and_its_new_value(store_root: str, config: RunConfig) -> None:
    finished(store_root, "monday", config)
    found = retraining.reasons(store_root, "weekly", config.model_copy(update={"seed": 5}))
    assert found.changed == ("seed: 0 -> 5",)


def test_the_last_run_is_the_one_that_was_opened_last(file_store: str, config: RunConfig) -> None:
    finished(file_store, "z-first", config)
    finished(file_store, "a-second", config.model_copy(update={"seed": 5}))
    assert retraining.reasons(file_store, "weekly", config).changed == ("seed: 5 -> 0",)


def test_the_new_run_itself_is_no_earlier_run(file_store: str, config: RunConfig) -> None:
    """A task that is tried again finds its own run open."""
    open_run(file_store, "today", config, preset="weekly")
    assert retraining.reasons(file_store, "weekly", config, but="today").previous is None
    retraining.refuse_unfinished(file_store, "weekly", but="today")


def test_a_run_that_is_not_finished_is_in_the_way_of_its_preset_only(file_store: str, config: RunConfig) -> None:
    run = open_run(file_store, "monday", config, preset="weekly")
    retraining.refuse_unfinished(file_store, "daily")
    with pytest.raises(Conflict, match="run monday of preset weekly is not finished: iteration 0 of 1"):
        retraining.refuse_unfinished(file_store, "weekly")
    campaign.control(run, "stop")
    retraining.refuse_unfinished(file_store, "weekly")


def test_a_seed_advances_from_the_highest(file_store: str, config: RunConfig) -> None:
    assert retraining.next_seed(file_store, "weekly", config, "advance") == 0
    finished(file_store, "one", config.model_copy(update={"seed": 7}))
    finished(file_store, "two", config.model_copy(update={"seed": 3}))
    assert retraining.next_seed(file_store, "weekly", config, "advance") == 8
    assert retraining.next_seed(file_store, "weekly", config, "preset") == 0
