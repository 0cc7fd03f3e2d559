"""From a finished run to a champion: the gates, the log of promotions, MLflow's aliases, the announcement, and back.

Steps are fakes that commit plausible numbers; Airflow, its database, the store and MLflow's registry are real.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.core import promotion
from components.core.errors import Conflict
from components.core.layout import RunLayout
from dags.pipeline import promotions
from tests.core.audits import commit_audit
from tests.dags.homes import Home, finished

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

AUTOMATIC = 'promotion.approval="automatic"'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    directory = tmp_path_factory.mktemp("promotion")
    made = Home(directory, MLFLOW_TRACKING_URI=f"sqlite:///{directory}/mlflow.db", FAKE_REGISTRY="1")
    commit_audit(made.store, "fake", "pass")  # the id of the fake scorer: without an audit a person would be asked
    return made


def champions(home: Home) -> list[tuple[str, str, int, str]]:
    log = promotion.read_log(home.store, "ddpo-tiny")
    return [(entry.action, RunLayout(entry.run).run_id, entry.policy, entry.by) for entry in log]


def aliases(home: Home) -> dict[str, str]:
    """Alias -> policy id, as MLflow has it."""
    from mlflow import MlflowClient

    client = MlflowClient(home.environment["MLFLOW_TRACKING_URI"])
    found = client.get_registered_model("ddpo-tiny").aliases
    return {
        name: client.get_model_version("ddpo-tiny", version).tags["ddpo.policy_id"] for name, version in found.items()
    }


def test_where_the_config_says_so_a_run_promotes_its_best_policy_itself(home: Home) -> None:
    code, out, err = home.run("cats", AUTOMATIC)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "policy 2 is champion of ddpo-tiny, approved by automatic"
    assert champions(home) == [("base", "cats", 0, "automatic"), ("promote", "cats", 2, "automatic")]
    assert aliases(home) == {"champion": "cats-policy-2", "previous": "base"}
    assert home.dag_runs("cats-promote") == {"cats-promote-0002": "success"}


def test_the_new_champion_is_announced_as_an_asset(home: Home) -> None:
    query = "select a.uri, e.extra from asset_event e join asset a on a.id = e.asset_id"
    ((uri, extra),) = home.sql(query)
    assert uri == "ddpo://champion/ddpo-tiny"
    announced = json.loads(extra)
    assert {name: announced[name] for name in ("policy_id", "policy", "version")} == {
        "policy_id": "cats-policy-2",
        "policy": 2,
        "version": "1",  # registered by the run's end; the base came after it
    }
    assert announced["run"] == home.prefix("cats")


def test_a_refusal_ends_the_dag_green_and_skips_all_the_rest(home: Home) -> None:
    """The champion cannot replace itself."""
    driven = home.dag_run("ddpo_promote", "again", {"run": home.prefix("cats")})
    assert driven.state == "success"
    assert driven.tasks.pop("judge") == "success"
    assert set(driven.tasks.values()) == {"skipped"}
    assert "refused: policy cats-policy- is the champion already" in driven.said


def test_what_the_gates_refuse_nobody_can_promote(home: Home) -> None:
    before = champions(home)
    code, out, err = finished(home.ddpo("promote", "cats", "--yes"))
    assert code == 65
    assert [line.split()[:2] for line in out.splitlines()[1:3]] == [["champion", "FAIL"], ["hold", "pass"]]
    assert err == "error: not promoted: policy cats-policy- is the champion already\n"
    assert champions(home) == before


def test_a_policy_that_the_guard_warns_of_waits_for_a_person(home: Home) -> None:
    code, out, err = home.run("warned", AUTOMATIC, "seed=1", FAKE_SIGNAL="warn")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == (
        "policy 2 passes every gate to be champion of ddpo-tiny; the guard warns: `ddpo promote warned` does it"
    )
    assert "the guard says warn: the judge lost 20 %" in home.log("warned-it-0001", "decide")
    assert len(champions(home)) == 2


def test_without_a_terminal_nobody_said_yes(home: Home) -> None:
    code, out, err = finished(home.ddpo("promote", "warned"))
    assert code == 1
    assert "guard" in out
    assert err == "error: rejected: nobody said yes (--yes promotes without asking)\n"
    assert len(champions(home)) == 2


def test_of_two_that_were_judged_against_the_same_champion_one_wins(home: Home) -> None:
    """Both were held against cats' policy 2. The second comes too late, with the reason."""
    assert home.run("rival", "seed=2")[0] == 0
    first, second = (promotions.judge(RunLayout(home.prefix(name))) for name in ("warned", "rival"))
    assert first.gates.passed
    assert second.gates.passed
    code, out, _ = finished(home.ddpo("promote", "warned", "--yes"))
    assert code == 0
    assert "champion of ddpo-tiny: policy 2 of warned" in out
    with pytest.raises(Conflict, match="has another champion since, warned-polic"):
        promotions.promote(second.state, second.policy, expected=second.expected, by="me", reason="too late")
    code, _, err = finished(home.ddpo("promote", "rival", "--yes"))
    assert code == 65
    assert "compared with cats-policy-, but the champion is warned-polic now" in err
    assert champions(home)[-1][:3] == ("promote", "warned", 2)


def test_rollback_brings_the_champion_before_back(home: Home) -> None:
    code, out, _ = finished(home.ddpo("rollback", "ddpo-tiny", "--reason", "five legs"))
    assert code == 0
    assert out.splitlines()[0] == "champion of ddpo-tiny: policy 2 of cats (cats-policy-)"
    assert champions(home)[-1][:3] == ("rollback", "cats", 2)
    assert aliases(home)["champion"] == "cats-policy-2"


def test_the_log_says_who_was_champion_when(home: Home) -> None:
    code, out, _ = finished(home.ddpo("champion"))
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "champion of ddpo-tiny: policy 2 of cats (cats-policy-)"
    assert [line.split()[3] for line in lines[1:5]] == ["base", "promote", "promote", "rollback"]
    assert lines[4].endswith("five legs")
    entries = json.loads(finished(home.ddpo("champion", "ddpo-tiny", "--json"))[1])
    assert [entry["policy_id"] for entry in entries] == ["base", "cats-policy-2", "warned-policy-2", "cats-policy-2"]


def test_the_next_champion_is_compared_with_this_one_and_replaces_it(home: Home) -> None:
    """A run that starts after the promotion draws the champion too; the gates ask for a gain over it."""
    code, out, _ = home.run("next", AUTOMATIC, "seed=3")
    assert code == 0
    assert out.splitlines()[-1] == "policy 2 is champion of ddpo-tiny, approved by automatic"
    judged = promotions.judge(RunLayout(home.prefix("next")), 2)
    assert "gain over champion" in [gate.name for gate in judged.gates.gates]


def test_a_run_of_which_no_policy_is_fit_registers_nothing(home: Home) -> None:
    code, out, err = home.run("broken", AUTOMATIC, "seed=4", FAKE_SIGNAL="fail")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == (
        "policy 0 is not to be champion of ddpo-tiny: no policy of broken may be shown to people: "
        "it falls back to where it started"
    )
    assert home.called("registration", "broken") == 0
    assert "nothing is registered: no policy of it is fit" in home.log("broken-it-0001", "decide")


def test_mlflow_away_leaves_the_promotion_standing_and_the_task_red(home: Home) -> None:
    """The truth is the log. What lags is named, and the next projection mends it."""
    assert home.run("late", "seed=6")[0] == 0
    code, _, err = finished(home.ddpo("promote", "late", "--yes", MLFLOW_TRACKING_URI="http://127.0.0.1:9"))
    assert code == 75
    assert "the log in the store stands" in err
    assert champions(home)[-1][:3] == ("promote", "late", 2)
    assert finished(home.ddpo("champion", "ddpo-tiny", "--project"))[0] == 0
    assert aliases(home)["champion"] == "late-policy-2"


def test_no_iteration_is_begun_without_the_audit_that_the_config_requires(tmp_path: Path) -> None:
    """The start is drawn and scored, which tells whose audit is wanted; an audit later, the same command goes on."""
    home = Home(tmp_path)
    code, _, err = home.run("unknown", 'promotion.audit="required"', "iterations=1")
    assert code == 64
    assert "the config requires an audit: fake is not audited: `ddpo audit jpeg_incompressibility` does it" in err
    assert (home.called("scoring", "unknown"), home.called("training", "unknown")) == (3, 0)
    commit_audit(home.store, "fake", "fail")
    assert (
        "the audit of fake says fail: words earn 50 %"
        in home.run("unknown", 'promotion.audit="required"', "iterations=1")[2]
    )
    commit_audit(home.store, "fake", "warn", number=1)
    assert home.run("unknown", 'promotion.audit="required"', "iterations=1")[0] == 0
    assert home.called("training", "unknown") == 1
