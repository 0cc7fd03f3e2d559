"""`ddpo up`, a campaign through the real scheduler and the real trigger, both pages, `ddpo down`: nothing is faked."""

from __future__ import annotations

import json
import urllib.request

import psutil
import pytest

from tests.system.services.machines import Machine

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.airflow, pytest.mark.timeout(1500)]


def test_up_twice_is_once(machine: Machine) -> None:
    before = {process.pid for process in machine.processes()}
    urls = machine.urls
    machine.up()
    assert machine.urls == urls
    assert before & {process.pid for process in machine.processes()}


def test_the_pools_are_there(machine: Machine) -> None:
    pools = {pool["name"]: pool for pool in machine.get("pools")["pools"]}
    assert {"gpu", "scoring", "default_pool"} <= set(pools)
    assert pools["gpu"]["include_deferred"]


def test_a_local_run_is_refused_while_the_scheduler_is_up(machine: Machine) -> None:
    done = machine.ddpo("run", "smoke", "--run-id", "local")
    assert done.returncode == 73
    assert "trigger ddpo_retrain there, or `ddpo down` first" in done.stderr
    assert machine.ddpo("show", "local").returncode == 66  # it was not even opened: it would be in a schedule's way


def test_a_wrong_form_is_red_at_once_with_one_line(machine: Machine) -> None:
    machine.trigger(
        "ddpo_retrain", "wrong", {"preset": "smoke", "run_id": "wrong", "overrides": ["training.lerning_rate=1"]}
    )
    assert machine.ended("ddpo_retrain", "wrong") == "failed"
    log = machine.get("dags/ddpo_retrain/dagRuns/wrong/taskInstances/open_run/logs/1?full_content=true")
    assert "smoke.toml: training.lerning_rate: unknown key" in json.dumps(log)


def test_a_campaign_goes_through_the_real_trigger_to_its_end(machine: Machine) -> None:
    fewer = ["evaluation.shards=1", "evaluation.judges=[]"]  # every process costs the import of torch
    machine.trigger("ddpo_retrain", "cats", {"preset": "smoke", "run_id": "cats", "overrides": fewer})
    assert machine.ended("ddpo_retrain", "cats") == "success"
    runs = {run["dag_run_id"]: run["state"] for run in machine.get("dags/ddpo_iteration/dagRuns")["dag_runs"]}
    ours = {name: state for name, state in runs.items() if name.startswith("cats")}
    assert ours == {"cats-it-0000": "success", "cats-it-0001": "success"}
    verified = machine.ddpo("verify", "cats")
    assert verified.returncode == 0, verified.stdout
    assert "2 policies" in verified.stdout


def test_the_report_is_a_link_on_the_page_of_its_task(machine: Machine) -> None:
    machine.wait_for(lambda: machine.task_states("ddpo_iteration", "cats-it-0001")["report"] == "success", "it", 60)
    links = machine.get("dags/ddpo_iteration/dagRuns/cats-it-0001/taskInstances/report/links")["extra_links"]
    assert links["Report"].startswith(f"{machine.urls['MLflow']}/#/experiments/")
    assert links["Report"].endswith("/artifacts/report/report.html")


def test_mlflow_shows_the_campaign(machine: Machine) -> None:
    url = f"{machine.urls['MLflow']}/api/2.0/mlflow/runs/search"
    body = json.dumps({"experiment_ids": ["1"], "max_results": 50}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        names = {run["info"]["run_name"] for run in json.loads(answer.read())["runs"]}
    assert "cats" in names


def test_down_ends_all_of_it_and_up_finds_it_as_it_was(machine: Machine) -> None:
    processes = machine.processes()
    assert len(processes) >= 5
    done = machine.ddpo("down")
    assert done.stdout.startswith("ended api-server, scheduler, dag-processor, triggerer, mlflow")
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []
    machine.up()
    assert machine.state("ddpo_iteration", "cats-it-0001") == "success"
