"""What is spent is what is committed, over every warm start."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core import spending, store
from components.core.config import RunConfig, parse_config
from components.core.errors import BadRequest, MissingInput
from components.core.opening import open_run
from tests.core.campaigns import SyntheticCampaign, base_directory


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """Ten pictures an iteration, in two shards."""
    base = base_directory(tmp_path / "base").model_dump()
    return parse_config(
        {"base": base, "prompts": {"prompts": 5, "samples_per_prompt": 2, "shards": 2}, "training": {"updates": 1}}
    )


def test_a_chain_of_warm_starts_adds_up(store_root: str, config: RunConfig) -> None:
    """3 iterations of 10 pictures, then 2 of 10 from there, then 1 of 20 from there."""
    first = SyntheticCampaign.open(store_root, config, "first")
    for k in range(3):
        first.iterate(k, steps=("training",))
    assert spending.queries_of_policy(first.run.training(2)) == 30
    second = SyntheticCampaign.open(
        store_root, config.model_copy(update={"start_adapter": first.run.training(2)}), "second"
    )
    for k in range(2):
        second.iterate(k, steps=("training",))
    assert spending.queries_of_policy(second.run.training(1)) == 30 + 20
    doubled = config.prompts.model_copy(update={"samples_per_prompt": 4})
    third = open_run(
        store_root, "third", config.model_copy(update={"start_adapter": second.run.training(1), "prompts": doubled})
    )
    assert store.open_committed(third.uri).manifest.request["start_queries"] == 50


def test_the_base_has_cost_nothing() -> None:
    assert spending.queries_of_policy(None) == 0


def test_a_start_that_is_not_committed_opens_no_run(file_store: str, config: RunConfig) -> None:
    nowhere = config.model_copy(update={"start_adapter": f"{file_store}/runs/gone/iterations/0003/training"})
    with pytest.raises(MissingInput, match="runs/gone/iterations/0003/training"):
        open_run(file_store, "a", nowhere)


@pytest.mark.parametrize("place", ["s3://b/runs/x", "s3://b/runs/x/iterations/a/training", "s3://b/x/iterations/0001"])
def test_what_is_no_training_is_refused(place: str) -> None:
    with pytest.raises(BadRequest, match="is not the training of an iteration"):
        spending.queries_of_policy(place)


def test_seconds_of_sampling_and_training_count_and_those_of_scoring_do_not(file_store: str, config: RunConfig) -> None:
    run = SyntheticCampaign.open(file_store, config)
    run.iterate(0)
    for prefix in (run.run.sampling(0, 0), run.run.sampling(0, 1), run.run.training(0), run.run.scoring(0, 0)):
        _takes(prefix, 7.0)
    assert spending.gpu_seconds(run.run, config, trained=1) == 21.0
    two = config.model_copy(update={"training": config.training.model_copy(update={"processes": 2})})
    assert spending.gpu_seconds(run.run, two, trained=1) == 28.0, "two processes hold two GPUs for the training's 7 s"


def _takes(prefix: str, seconds: float) -> None:
    """Say in a commit that it took so long."""
    manifest = store.open_committed(prefix).manifest
    slow = manifest.model_copy(update={"cost": manifest.cost.model_copy(update={"seconds": seconds})})
    Path(prefix.removeprefix("file://"), store.MARKER).write_text(slow.model_dump_json())
