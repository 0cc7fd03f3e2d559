"""`ddpo_compare` with the real scheduler: it tunes and runs through campaigns of their own, and draws the result."""

from __future__ import annotations

import pytest

from components.core import comparison
from components.core import comparison_table as tables
from components.core import comparison_tuning as tuning
from tests.system.services.machines import Machine

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.airflow, pytest.mark.timeout(1500)]

TINIER = [
    "reward_queries=8",
    "evaluations=1",
    "seeds=[0]",
    'rewards={size={preset="smoke"}}',
    'overrides=["evaluation.deployed_seeds=0", "evaluation.shards=1", "prompts.shards=1"]',
    "tuning={reward_queries=8, evaluations=1, seeds=[1000]}",
    'algorithms={ddpo_sf={learning_rates=[1e-3, 1e-4], overrides=["training.updates=1"]}}',
]
"""Changes to `tiny`: two tuning runs and one run, of one iteration each."""


def test_a_comparison_goes_through_the_real_scheduler_to_its_figure(machine: Machine) -> None:
    """Each campaign is a DAG run that the triggerer waits for; once more, all is done, and none is begun."""
    conf = {"comparison": "tiny", "name": "sf", "overrides": TINIER}
    machine.trigger("ddpo_compare", "first", conf)
    assert machine.ended("ddpo_compare", "first") == "success", machine.task_states("ddpo_compare", "first")
    opened = comparison.load(f"{(machine.home / 'store').as_uri()}/comparisons/sf")
    chosen = tuning.tuned(opened)
    assert chosen is not None
    assert sorted(rate.learning_rate for rate in chosen.rates) == [1e-4, 1e-3]
    newest = tables.newest_table(opened)
    assert newest is not None
    (row,) = newest[1].rows
    (rate,) = chosen.chosen.values()
    assert (row.algorithm, row.reward, row.seeds, row.learning_rate) == ("ddpo_sf", "size", 1, rate)
    campaigns = {run["dag_run_id"] for run in machine.get("dags/ddpo_retrain/dagRuns")["dag_runs"]}
    ours = {name for name in campaigns if name.startswith("sf-")}
    assert len(ours) == 3, ours

    machine.trigger("ddpo_compare", "second", conf)
    assert machine.ended("ddpo_compare", "second") == "success"
    states = machine.task_states("ddpo_compare", "second")
    assert (states["tuning_runs"], states["choose_rates"], states["runs"], states["compare"]) == (
        "skipped", "success", "skipped", "success",
    )  # fmt: skip
