"""The DAGs as Airflow sees them: they parse without the ML stack, and their edges are as drawn."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from dags.pipeline import presets

ITERATION_EDGES = {
    "plan": [],
    "prompts": ["plan"],
    "shards.sampling": ["plan", "prompts"],
    "shards.scoring": ["plan", "shards.sampling"],
    "training": ["plan", "shards.scoring"],
    "plan_evaluation": ["training"],
    "evaluation_shards.sampling": ["plan_evaluation"],
    "evaluation_shards.scoring": ["evaluation_shards.sampling", "plan_evaluation"],
    "evaluation": ["evaluation_shards.scoring", "plan_evaluation"],
    "track": ["evaluation", "training"],
    "report": ["evaluation", "track"],
    "decide": ["track"],
    "trigger_next": ["decide"],
    "register": ["decide"],
    "trigger_promote": ["decide", "register"],
}

RETRAIN_EDGES = {
    "open_run": [],
    "evaluation_prompts": ["open_run"],
    "baseline_shards.sampling": ["evaluation_prompts", "open_run"],
    "baseline_shards.scoring": ["baseline_shards.sampling", "open_run"],
    "baseline": ["baseline_shards.scoring", "open_run"],
    "track": ["baseline", "open_run"],
    "begin": ["open_run", "track"],
    "trigger_first": ["begin"],
    "wait_for_the_end": ["begin", "open_run", "trigger_first"],
}

PROMOTE_EDGES = {
    "judge": [],
    "register.registration": ["judge"],
    "base": ["judge", "register.registration"],
    "report": ["base", "judge"],
    "approve": ["base", "judge", "report"],
    "promote": ["approve", "judge"],
    "aliases": ["judge", "promote"],
}

EDGES = {
    "ddpo_iteration": ITERATION_EDGES,
    "ddpo_retrain": RETRAIN_EDGES,
    "ddpo_promote": PROMOTE_EDGES,
    "ddpo_cleanup": {"sweep": []},
    "ddpo_compare": {
        "open_comparison": [],
        "tuning_runs": ["open_comparison"],
        "choose_rates": ["open_comparison", "tuning_runs"],
        "runs": ["choose_rates"],
        "compare": ["choose_rates", "open_comparison", "runs"],
    },
    "ddpo_rescore": {"plan": [], "shards.scoring": ["plan"], "table": ["shards.scoring"], "track": ["table"]},
}


@pytest.fixture(scope="module")
def parsed() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "tests.dags.parsed"], capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_the_dags_parse_without_the_ml_stack(parsed: dict[str, Any]) -> None:
    """No DAG file drags torch into the scheduler; and the bag is not empty, or this would say nothing."""
    assert parsed["errors"] == {}
    assert set(parsed["dags"]) == set(EDGES)


def test_the_pipeline_is_imported_under_one_name(parsed: dict[str, Any]) -> None:
    """Airflow puts dags/ on the path: `import pipeline` would make every class a second time."""
    assert "dags.pipeline.tasks" in parsed["modules"]
    assert not [name for name in parsed["modules"] if name.partition(".")[0] == "pipeline"]


def test_no_step_is_imported_by_a_dag(parsed: dict[str, Any]) -> None:
    components = {name for name in parsed["modules"] if name.startswith("components.")}
    assert {name for name in components if not name.startswith("components.core")} == set()


@pytest.mark.parametrize(("dag_id", "edges"), EDGES.items())
def test_the_edges_are_as_drawn(parsed: dict[str, Any], dag_id: str, edges: dict[str, list[str]]) -> None:
    tasks = parsed["dags"][dag_id]["tasks"]
    assert {task_id: task["upstream"] for task_id, task in tasks.items()} == edges


def test_gpu_steps_and_scorers_wait_in_their_pools(parsed: dict[str, Any]) -> None:
    tasks = parsed["dags"]["ddpo_iteration"]["tasks"]
    pools = {task_id: task["pool"] for task_id, task in tasks.items()}
    assert {pools["shards.sampling"], pools["evaluation_shards.sampling"], pools["training"]} == {"gpu"}
    assert {pools["shards.scoring"], pools["evaluation_shards.scoring"]} == {"scoring"}
    assert pools["plan"] == "default_pool"


def test_steps_push_nothing_and_are_retried(parsed: dict[str, Any]) -> None:
    """A result travels through the store; XCom holds the URIs that plans push."""
    for dag_id, least in (("ddpo_iteration", 8), ("ddpo_retrain", 4), ("ddpo_promote", 1)):
        tasks = parsed["dags"][dag_id]["tasks"].values()
        steps = [task for task in tasks if task["operator"] == "LocalStepOperator"]
        assert len(steps) >= least
        assert all(not step["xcom"] and step["retries"] == 3 for step in steps)


def test_mlflow_away_does_not_block_the_loop(parsed: dict[str, Any]) -> None:
    """`track` skips itself then, so what comes after it must run after a skip, and never after a failure."""
    iteration, retrain = parsed["dags"]["ddpo_iteration"]["tasks"], parsed["dags"]["ddpo_retrain"]["tasks"]
    assert iteration["decide"]["trigger_rule"] == "none_failed"
    for task in (iteration["track"], retrain["track"], retrain["begin"], retrain["wait_for_the_end"]):
        assert task["trigger_rule"] == "none_failed_min_one_success"  # and a campaign that is skipped, is skipped whole


def test_there_is_room_for_several_campaigns_and_no_native_rendering(parsed: dict[str, Any]) -> None:
    assert parsed["dags"]["ddpo_iteration"]["max_active_runs"] == 16
    assert not any(dag["native"] for dag in parsed["dags"].values())


def test_no_dag_waits_to_be_switched_on(parsed: dict[str, Any]) -> None:
    """A campaign would stay queued for ever. Nothing starts by itself: schedules are the deployment's."""
    assert {dag["paused"] for dag in parsed["dags"].values()} == {False}


def test_the_form_offers_every_preset(parsed: dict[str, Any]) -> None:
    params = parsed["dags"]["ddpo_retrain"]["params"]
    assert [name for name in params["preset"]["enum"] if name] == presets.names()
    assert params["iterations"]["minimum"] == 1
    assert parsed["dags"]["ddpo_iteration"]["params"]["iteration"]["type"] == "integer"


@pytest.mark.parametrize("dag_id", EDGES)
def test_the_page_of_a_dag_is_its_runbook(parsed: dict[str, Any], dag_id: str) -> None:
    """It names every exit code, and every task that it speaks of exists."""
    dag = parsed["dags"][dag_id]
    assert all(f"| {code} |" in dag["doc"] for code in (64, 65, 66, 73, 75))
    named = {word for line in dag["doc"].splitlines() if line.startswith("| `") for word in line.split("`")[1:2]}
    assert named
    assert all(any(task.startswith(name) for task in dag["tasks"]) for name in named)
