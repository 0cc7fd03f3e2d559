"""`ddpo run` drives the real DAGs without a server: to the end, through a retry, a failure, a kill and a resume.

The steps are fakes that commit at once (`fake_steps`); everything else is real: Airflow, its database, the store.
"""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from components.core import store
from dags.pipeline.dag_names import store_tag
from tests.dags.homes import Home, finished, wait_for

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("ddpo"))


def test_a_run_goes_to_its_end_through_a_busy_service(home: Home) -> None:
    """The first training exits 75 once: it is tried again, and one attempt commits."""
    code, out, err = home.run("cats", FAKE_FAIL_ONCE="training")
    assert (code, err) == (0, "")
    assert home.dag_runs("cats") == {"cats": "success", "cats-it-0000": "success", "cats-it-0001": "success"}
    assert home.called("training", "cats") == 3
    attempts = store.children(f"{home.prefix('cats')}/iterations/0000/training/attempts")
    assert attempts == [store.open_committed(f"{home.prefix('cats')}/iterations/0000/training").manifest.attempt]
    assert store.find(f"{home.prefix('cats')}/registrations/0002") is not None

    lines = out.splitlines()
    assert lines[0].startswith("run cats: 0 of 2 iterations done")
    assert lines[1].split()[:2] == ["iteration", "queries"]
    assert [line.split()[0] for line in lines[2:6]] == ["start", "training:", "0", "1"]  # and nothing of Airflow's
    assert "the service is busy; trying again" in lines[3]
    assert "+0.20 [+0.10 +0.40]" in lines[5]
    assert lines[6].startswith("run cats: all 2 iterations done")
    assert lines[7] == (
        "policy 2 passes every gate to be champion of ddpo-tiny; the config asks for a person: "
        "`ddpo promote cats` does it"
    )


def test_the_logs_of_steps_are_where_airflow_looks_for_them(home: Home) -> None:
    log = home.log("cats-it-0001", "training").splitlines()
    assert "a line that training printed" in log
    committed = next(json.loads(line) for line in log if "training: committed" in line)
    assert {"timestamp", "level", "event", "logger"} <= set(committed)
    assert "the service is busy" in home.log("cats-it-0000", "training", attempt=1)
    assert "training: committed" in home.log("cats-it-0000", "training", attempt=2)


def test_a_finished_run_finds_nothing_to_do(home: Home) -> None:
    code, out, err = home.run("cats")
    assert (code, err) == (0, "")
    assert home.called("training", "cats") == 3
    assert out.splitlines()[0].startswith("run cats: 2 of 2 iterations done")


def test_what_the_store_lacks_is_made_again_whatever_airflow_remembers(home: Home) -> None:
    """Somebody restored an older copy of the store: the last evaluation and the registration are gone."""
    run = home.directory / "store" / "runs" / "cats"
    shutil.rmtree(run / "evaluations" / "policy-0002")
    shutil.rmtree(run / "registrations")
    code, _, err = home.run("cats")
    assert (code, err) == (0, "")
    assert store.find(f"{home.prefix('cats')}/evaluations/policy-0002/report") is not None
    assert store.find(f"{home.prefix('cats')}/registrations/0002") is not None
    assert home.called("training", "cats") == 3


def test_a_run_of_the_same_name_in_another_store_is_another(home: Home) -> None:
    """Its DAG runs carry the hash of its store; those of the first store stay as they are."""
    other = (home.directory / "other").as_uri()
    code, _, err = home.run("cats", DDPO_STORE=other)
    assert (code, err) == (0, "")
    assert store.find(f"{other}/runs/cats/registrations/0002") is not None
    names = set(home.dag_runs("cats"))
    assert {"cats", "cats-it-0000", "cats-it-0001"} < names
    assert {name.replace(store_tag(other), "HASH") for name in names - {"cats", "cats-it-0000", "cats-it-0001"}} == {
        "cats-HASH", "cats-HASH-it-0000", "cats-HASH-it-0001"
    }  # fmt: skip


def test_an_unchanged_schedule_is_skipped_whole_and_green(home: Home) -> None:
    """`cats` is the preset's last run, with the same base: there is nothing to learn."""
    form = {"preset": "smoke", "overrides": [f"base.model={home.base}"]}
    driven = home.dag_run("ddpo_retrain", "monday", form)
    assert driven.state == "success"
    assert set(driven.tasks.values()) == {"skipped"}
    assert len(driven.tasks) == 9
    assert "nothing changed since cats: the same training again would teach nothing" in driven.said


def test_a_failed_step_a_kill_and_a_resume(home: Home) -> None:
    code, _, err = home.run("dogs", FAKE_FAIL="training")
    assert code == 65
    assert err.startswith("error: training: the shard is corrupt (look at it; log: ")
    assert err.count("\n") == 1
    assert Path(err.strip().removesuffix(")").partition("log: ")[2]).is_file()
    assert home.dag_runs("dogs") == {"dogs": "success", "dogs-it-0000": "failed"}

    killed = home.ddpo("resume", "dogs", FAKE_SLOW="training")
    wait_for(lambda: home.called("training", "dogs") == 2)
    killed.send_signal(signal.SIGKILL)
    finished(killed)
    assert home.dag_runs("dogs")["dogs-it-0000"] == "running"  # nobody could say otherwise

    interrupted = home.ddpo("resume", "dogs", FAKE_SLOW="training")
    wait_for(lambda: home.called("training", "dogs") == 3)
    interrupted.send_signal(signal.SIGINT)
    code, _, err = finished(interrupted)
    assert (code, err) == (130, "error: interrupted; what is committed is safe: `ddpo resume dogs` goes on\n")
    assert home.dag_runs("dogs")["dogs-it-0000"] == "failed"

    code, out, err = finished(home.ddpo("resume", "dogs"))
    assert (code, err) == (0, "")
    assert out.splitlines()[-2].startswith("run dogs: all 2 iterations done")
    assert set(home.dag_runs("dogs").values()) == {"success"}
    assert home.called("sampling", "dogs") == 10  # two shards, and the sampler that ships in evaluations: none twice
    assert home.called("training", "dogs") == 5


def test_the_run_that_was_killed_is_sound(home: Home) -> None:
    code, out, _ = finished(home.ddpo("verify", "dogs"))
    assert code == 0
    assert "2 policies" in out
