"""MLflow shows what the store holds: all of it, once, whenever it is asked."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.core import campaign, tracking
from components.core.config import PromptsConfig, RunConfig
from components.core.errors import BadRequest, MissingInput, Unavailable
from components.core.tracking import labels, projection
from components.core.tracking.connection import shown
from tests.core.campaigns import METRICS, SyntheticCampaign, base_directory, panel
from tests.core.mlflow_database import new_database, rows

EVERYTHING = {
    "metrics": "select r.name, m.key, m.value, m.step, m.timestamp from metrics m join runs r using (run_uuid)",
    "params": "select r.name, p.key, p.value from params p join runs r using (run_uuid)",
    "runs": "select name, status, start_time, end_time, lifecycle_stage from runs",
    "tags": "select r.name, t.key, t.value from tags t join runs r using (run_uuid) where key != 'mlflow.parentRunId'",
}


@pytest.fixture
def mlflow(tmp_path: Path) -> str:
    return new_database(tmp_path / "mlflow")


@pytest.fixture
def short(file_store: str, tmp_path: Path) -> SyntheticCampaign:
    """Three iterations asked for, none done; an evaluation of every second policy."""
    config = RunConfig(iterations=3, base=base_directory(tmp_path / "base"), evaluation={"every": 2})
    return SyntheticCampaign.open(file_store, config)


def finish(synthetic: SyntheticCampaign, *, after_each=lambda: None) -> None:
    """Commit the whole short campaign, in a DAG's order."""
    synthetic.evaluate(0)
    after_each()
    for k in range(3):
        synthetic.iterate(k)
        after_each()
        if k:
            synthetic.evaluate(k + 1)
            after_each()


def everything(tracking_uri: str) -> dict[str, list[tuple]]:
    return {table: sorted(rows(tracking_uri, query), key=repr) for table, query in EVERYTHING.items()}


def history(tracking_uri: str, run_id: str, key: str) -> dict[int, float]:
    with tracking.connect(tracking_uri) as client:
        points = client.get_metric_history(run_id, key)
    assert len({point.step for point in points}) == len(points), "two points at one step"
    return {point.step: point.value for point in points}


def test_the_parent_run_carries_every_curve_by_iteration(short, mlflow):
    """What training and evaluation found stands at the step of its iteration, whatever store it lies in."""
    finish(short)
    summary = tracking.project(short.run, tracking_uri=mlflow)
    assert (summary.iterations, summary.policies, summary.status) == ((0, 1, 2), (0, 2, 3), "FINISHED")
    trained = campaign.load(short.run).trained
    for name in METRICS:
        key = tracking.curves.training_key(name)
        assert history(mlflow, summary.run_id, key) == {r.iteration: r.metrics[name] for r in trained}
    by_hand = {
        "evaluation/held_out/gain": {0: 0, 2: 0.1, 3: 0.15},
        "uncertainty/held_out_gain_low": {0: -0.2, 2: -0.1, 3: -0.05},
        "evaluation/held_out/judge_mean": {0: 0.8, 2: 0.796, 3: 0.794},
        "reward/queries": {0: 0, 1: 64, 2: 128, 3: 192},
        "samples/missing": {0: 2, 1: 2, 2: 2},  # one in each of two shards
        "usage/megabytes/sampling": {0: 0.002, 1: 0.002, 2: 0.002},  # 1000 bytes a shard
    }
    for key, points in by_hand.items():
        assert history(mlflow, summary.run_id, key) == pytest.approx(points)
    assert set(history(mlflow, summary.run_id, "usage/seconds/evaluation_sampling")) == {0, 2, 3}


def test_a_child_run_holds_one_iteration(short, mlflow):
    finish(short)
    parent = tracking.project(short.run, tracking_uri=mlflow).run_id
    with tracking.connect(mlflow) as client:
        experiments = [client.get_experiment_by_name("ddpo").experiment_id]
        [child] = client.search_runs(experiments, "tags.`ddpo.iteration` = '1'")
        assert len(client.search_runs(experiments, f"tags.`mlflow.parentRunId` = '{parent}'")) == 3
    assert child.info.status == "FINISHED"
    assert child.data.tags["mlflow.parentRunId"] == parent
    assert child.data.tags["ddpo.parent_policy_id"] == "policy-1"
    assert child.data.tags["ddpo.policy_id"] == "policy-2"
    assert child.data.metrics["samples/trained"] == 62
    assert child.data.metrics["evaluation/held_out/gain"] == pytest.approx(0.1)  # of the policy that it made


def test_the_parent_says_what_was_asked_and_how_far_it_is(short, mlflow):
    finish(short)
    with tracking.connect(mlflow) as client:
        parent = client.get_run(tracking.project(short.run, tracking_uri=mlflow).run_id)
    assert parent.data.params["training.lora.targets"] == "all"
    assert parent.data.params["stop.target_gain"] == "null"
    assert parent.data.tags["ddpo.run_uri"] == short.run.uri
    assert parent.data.tags["ddpo.base_id"].startswith("sha256:")
    assert parent.data.tags["ddpo.policy_id"] == "policy-3"
    assert parent.data.tags["ddpo.progress"] == "3 of 3 iterations"
    assert "| held_out | judge | 0.800 | 0.794 |" in parent.data.tags["mlflow.note.content"].replace(" &nbsp;", "")


def test_panels_lie_at_fixed_paths(short, mlflow, tmp_path):
    finish(short)
    for _ in range(2):
        summary = tracking.project(short.run, tracking_uri=mlflow, afresh=True)
    with tracking.connect(mlflow) as client:
        paths = [file.path for file in client.list_artifacts(summary.run_id, "panels")]
        local = client.download_artifacts(summary.run_id, "panels/policy-0002.png", str(tmp_path))
    assert paths == ["panels/policy-0000.png", "panels/policy-0002.png", "panels/policy-0003.png"]
    assert Path(local).read_bytes() == panel(2)


def test_a_replay_adds_nothing(short, mlflow):
    """Again, again from the start, and again without the tag that remembers: not one row more, in any table."""
    finish(short)
    first = tracking.project(short.run, tracking_uri=mlflow)
    before = everything(mlflow)
    assert tracking.project(short.run, tracking_uri=mlflow).points == 0
    assert tracking.project(short.run, tracking_uri=mlflow, afresh=True).points == first.points
    with tracking.connect(mlflow) as client:
        client.set_tag(first.run_id, labels.PROJECTED, "not what we wrote")
    assert tracking.project(short.run, tracking_uri=mlflow).points == first.points
    assert everything(mlflow) == before


def test_little_by_little_is_all_at_once(short, tmp_path):
    """Projected after every commit, or once at the end: the same content."""
    often, once = new_database(tmp_path / "often"), new_database(tmp_path / "once")
    finish(short, after_each=lambda: tracking.project(short.run, tracking_uri=often))
    tracking.project(short.run, tracking_uri=once)
    assert everything(often) == everything(once)


def test_a_run_in_the_middle_of_an_iteration(short, mlflow):
    """Only whole iterations show; the rest comes when it is whole."""
    assert tracking.project(short.run, tracking_uri=mlflow).iterations == ()
    short.iterate(0)
    short.iterate(1, steps=("prompts", "sampling"))
    summary = tracking.project(short.run.uri, tracking_uri=mlflow)
    assert (summary.iterations, summary.policies, summary.status) == ((0,), (), "RUNNING")


def test_a_late_evaluation_is_not_forgotten(short, mlflow):
    for k in range(3):
        short.iterate(k)
    tracking.project(short.run, tracking_uri=mlflow)
    short.evaluate(0)
    assert tracking.project(short.run, tracking_uri=mlflow).policies == (0,)


def test_the_status_is_the_campaign_s(short, mlflow):
    short.iterate(0)
    assert tracking.project(short.run, tracking_uri=mlflow).status == "RUNNING"
    campaign.control(short.run, "stop")
    assert tracking.project(short.run, tracking_uri=mlflow).status == "KILLED"
    campaign.control(short.run, "resume")
    assert tracking.project(short.run, tracking_uri=mlflow).status == "RUNNING"
    short.iterate(1)
    short.iterate(2)
    assert tracking.project(short.run, tracking_uri=mlflow).status == "FINISHED"


def test_a_server_that_is_away_costs_seconds_and_nothing_else(short, mlflow):
    """The client's own limits would block for minutes; afterwards a replay gives everything."""
    finish(short)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(Unavailable, match="away or busy"):
        tracking.project(short.run, tracking_uri=f"http://127.0.0.1:{port}")
    assert time.monotonic() - started < 15
    assert tracking.project(short.run, tracking_uri=mlflow).iterations == (0, 1, 2)


def test_a_database_that_is_away_costs_seconds(short):
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        tracking.project(short.run, tracking_uri="postgresql://someone:secret@127.0.0.1:1/mlflow")
    assert time.monotonic() - started < 15
    assert "secret" not in str(caught.value)


def test_a_password_is_not_shown():
    assert shown("https://someone:secret@mlflow.example/x") == "https://mlflow.example/x"
    assert shown("sqlite:////data/mlflow.db") == "sqlite:////data/mlflow.db"


def test_a_deleted_experiment_is_a_clear_refusal(short, mlflow):
    with tracking.connect(mlflow) as client:
        client.delete_experiment(client.create_experiment("ddpo"))
    with pytest.raises(BadRequest, match="'ddpo' is deleted"):
        tracking.project(short.run, tracking_uri=mlflow)


def test_a_run_that_is_not_there(file_store, mlflow):
    with pytest.raises(MissingInput, match="no run at"):
        tracking.project(f"{file_store}/runs/nobody", tracking_uri=mlflow)


def test_of_two_parents_the_oldest_stays(short, mlflow):
    """Two first projections may both make the parent; whoever looks next keeps one, and it has everything."""
    finish(short)
    identity = labels.campaign_identity(short.run.uri)
    with tracking.connect(mlflow) as client:
        experiment = client.create_experiment("ddpo")
        oldest, _ = (client.create_run(experiment, start_time=t, tags=identity).info.run_id for t in (1, 2))
    assert tracking.project(short.run, tracking_uri=mlflow).run_id == oldest
    assert parents(mlflow) == [(oldest,)]
    assert set(history(mlflow, oldest, "reward/mean")) == {0, 1, 2}


def test_a_projection_whose_parent_is_taken_away_joins_the_other(short, mlflow, monkeypatch):
    """In the middle of our projection another one, with an older parent, deletes ours as surplus."""
    finish(short)
    read_iteration = projection.read_iteration

    def rival_first(run, k):
        monkeypatch.setattr(projection, "read_iteration", read_iteration)
        with tracking.connect(mlflow) as client:
            experiment = client.get_experiment_by_name("ddpo").experiment_id
            client.create_run(experiment, start_time=1, tags=labels.campaign_identity(short.run.uri))
        tracking.project(run, tracking_uri=mlflow)
        return read_iteration(run, k)

    monkeypatch.setattr(projection, "read_iteration", rival_first)
    summary = tracking.project(short.run, tracking_uri=mlflow)
    assert parents(mlflow) == [(summary.run_id,)]
    children = rows(mlflow, "select value from tags where key = 'mlflow.parentRunId'")
    assert set(children) == {(summary.run_id,)}


def test_four_at_once_leave_one_parent_and_one_child_an_iteration(short, mlflow):
    finish(short)
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda _: project_patiently(short, mlflow), range(4)))
    last = tracking.project(short.run, tracking_uri=mlflow).run_id
    assert last in runs
    assert parents(mlflow) == [(last,)]
    names = rows(mlflow, "select name from runs where lifecycle_stage = 'active' and name like 'iteration-%'")
    assert sorted(names) == [("iteration-0000",), ("iteration-0001",), ("iteration-0002",)]
    assert set(history(mlflow, last, "reward/mean")) == {0, 1, 2}


def test_a_campaign_in_s3(s3_store, mlflow, tmp_path):
    config = RunConfig(iterations=1, base=base_directory(tmp_path / "base"), prompts=PromptsConfig(shards=1))
    synthetic = SyntheticCampaign.open(s3_store, config)
    synthetic.iterate(0)
    assert tracking.project(synthetic.run, tracking_uri=mlflow).iterations == (0,)


def project_patiently(synthetic: SyntheticCampaign, tracking_uri: str) -> str:
    """As a task does it: an SQLite file that is busy is a reason to try again."""
    for _ in range(10):
        try:
            return tracking.project(synthetic.run, tracking_uri=tracking_uri).run_id
        except Unavailable:
            time.sleep(0.2)
    raise AssertionError("busy ten times")


def parents(tracking_uri: str) -> list[tuple]:
    return rows(
        tracking_uri,
        "select run_uuid from runs join tags using (run_uuid) "
        "where tags.key = 'ddpo.kind' and tags.value = 'campaign' and lifecycle_stage = 'active'",
    )
