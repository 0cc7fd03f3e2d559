"""`ddpo fork`, `ddpo diff`, and what `ddpo show` says of guard and champion."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.core import campaign, promotion
from components.core.config import RunConfig
from components.core.errors import BadRequest
from components.core.layout import RunLayout
from components.core.promotion import Candidate
from dags.pipeline import driver, forks
from tests.cli.test_cli import Shell, ddpo, train

__all__ = ["ddpo"]  # the fixture


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[RunLayout]:
    """Runs that would be driven to their end: this is about how they are opened."""
    runs: list[RunLayout] = []
    monkeypatch.setattr(driver, "drive", lambda run, places: runs.append(run))
    return runs


def test_a_fork_starts_from_the_policy_with_a_few_changes(ddpo: Shell, driven: list[RunLayout]) -> None:
    """Policy 1 is what iteration 0 trained; it had cost 4 prompts × 2 pictures."""
    parent = ddpo.open("cats")
    train(parent, 0)
    code, _, err = ddpo("fork", "cats", "--at", "1", "--run-id", "kittens", "--set", "seed=9", "--iterations", "5")
    assert (code, err) == (0, "")
    assert [run.run_id for run in driven] == ["kittens"]
    fork = campaign.load(driven[0])
    assert fork.config == parent_config(parent).model_copy(
        update={"start_adapter": parent.training(0), "seed": 9, "iterations": 5}
    )
    assert fork.start.start_queries == 8
    assert fork.start.preset == "fork of cats at 1"


def parent_config(run: RunLayout) -> RunConfig:
    return campaign.load(run).config


def test_a_fork_at_0_starts_where_its_parent_did(ddpo: Shell, driven: list[RunLayout]) -> None:
    grandparent = ddpo.open("cats")
    train(grandparent, 0)
    ddpo("fork", "cats", "--at", "1", "--run-id", "kittens")
    ddpo("fork", "kittens", "--at", "0", "--run-id", "again")
    assert campaign.load(driven[1]).config.start_adapter == grandparent.training(0)


def test_a_fork_trains_on_the_prompts_that_its_parent_froze(ddpo: Shell, driven: list[RunLayout]) -> None:
    """The user's file may be another by now."""
    prompts = ddpo.home / "mine.txt"
    prompts.write_text("a cat\na dog\na hen\na cow\n")
    ddpo.open("cats", f"prompts.train={prompts}")
    prompts.write_text("something else\n")
    ddpo("fork", "cats", "--at", "0", "--run-id", "kittens")
    from components.core import store

    assert store.open_committed(driven[0].uri).read("prompts.txt") == b"a cat\na dog\na hen\na cow\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--at", "1"), "error: cats has no policy 1 (it has 0 to 0; `ddpo show cats` lists them)\n"),
        (
            ("--at", "0", "--set", "training.lerning_rate=1"),
            "error: the changed config: training.lerning_rate: unknown",
        ),
        (
            ("--at", "0", "--run-id", "cats", "--set", "seed=1"),
            "error: run cats exists with another config: it differs",
        ),
    ],
)
def test_a_fork_that_cannot_be_says_why(ddpo: Shell, driven: list[RunLayout], arguments: Any, line: str) -> None:
    ddpo.open("cats")
    code, _, err = ddpo("fork", "cats", *arguments)
    assert code in (64, 73)
    assert err.startswith(line)
    assert driven == []


def test_a_config_keeps_its_kinds_through_a_fork(ddpo: Shell) -> None:
    parent = campaign.load(ddpo.open("cats"))
    assert forks.config_at(parent, 0) == parent.config
    with pytest.raises(BadRequest, match="has no policy -1"):
        forks.config_at(parent, -1)


def test_diff_names_the_keys_with_both_values_and_the_headlines(ddpo: Shell) -> None:
    train(ddpo.open("cats"), 0)
    ddpo.open("dogs", "seed=3", "training.learning_rate=5e-4")
    code, out, _ = ddpo("diff", "cats", "dogs")
    rows = {line.split("  ")[0]: line.split()[-2:] for line in out.splitlines() if "  " in line}
    assert code == 0
    assert rows["training.learning_rate"] == ["0.001", "0.0005"]
    assert rows["seed"] == ["0", "3"]
    assert "  1 of 2 " in out
    assert "  0 of 2" in out
    assert "reward.name" not in out
    found = json.loads(ddpo("diff", "cats", "dogs", "--json")[1])
    assert found["config"] == {"seed": ["0", "3"], "training.learning_rate": ["0.001", "0.0005"]}
    assert set(found["inputs"]) == {"seed", "settings"}
    assert found["headlines"]["reward queries"] == ["8 (+ 0 before)", "0 (+ 0 before)"]


def test_equal_runs_have_no_difference(ddpo: Shell) -> None:
    ddpo.open("cats")
    ddpo.open("twin")
    out = ddpo("diff", "cats", "twin")[1]
    assert "config: no difference" in out
    assert "inputs: no difference" in out


def test_show_says_who_is_champion(ddpo: Shell) -> None:
    run = ddpo.open("cats")
    train(run, 0)
    ours = Candidate(
        policy_id="p1", base_id=campaign.load(run).base_id, run=run.uri, policy=1,
        training=run.training(0), registration=run.registration(1),
    )  # fmt: skip
    promotion.promote(ddpo.store, "ddpo-tiny", ours, expected=0, by="me", reason="good cats")
    for arguments in (("show",), ("show", "cats"), ("champion",)):
        assert "champion of ddpo-tiny: policy 1 of cats (p1)" in ddpo(*arguments)[1]
    assert "by me: good cats" in ddpo("champion", "ddpo-tiny")[1]


def test_without_champions_the_command_says_how_to_make_one(ddpo: Shell) -> None:
    assert ddpo("champion")[1].endswith("`ddpo promote RUN` makes the first\n")
    assert ddpo("champion", "nobody")[1] == "nobody has no champion yet\n"


def test_a_rollback_with_nothing_to_go_back_to_is_one_line(ddpo: Shell) -> None:
    code, _, err = ddpo("rollback", "ddpo-tiny")
    assert code == 64
    assert err == "error: ddpo-tiny has no champion to go back to: it has none (`ddpo champion` shows the log)\n"


def test_promoting_what_was_never_evaluated_is_refused(ddpo: Shell) -> None:
    train(ddpo.open("cats"), 0)
    code, out, err = ddpo("promote", "cats", "--policy", "1", "--yes")
    assert code == 65
    assert "evaluated" in out
    assert err == "error: not promoted: policy 1 of cats has no evaluation\n"
    assert ddpo("promote", "cats", "--policy", "7")[0] == 64
