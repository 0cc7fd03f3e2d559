"""Scored again: rank correlation against another implementation, and each point in MLflow once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from components.core import campaign, rescoring, tracking
from components.core.config import RewardConfig
from components.core.layout import RunLayout
from components.core.rescoring import Row, spearman
from components.core.tracking.curves import rescored_points
from tests.core.mlflow_database import new_database, rows
from tests.core.sound_run import SoundRun

values = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=30)
"""Small integers: many ties."""


@settings(max_examples=60, deadline=None)
@given(pairs=values)
def test_the_rank_correlation_is_spearmans(pairs: list[tuple[int, int]]) -> None:
    one, other = zip(*pairs, strict=True)
    found = spearman(one, other)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)


def row(policy: int, *, mean: float | None, split: str = "held_out", sampler: str = "trained") -> Row:
    return Row(
        group=f"policy-{policy:04d}", policy=policy, split=split, sampler=sampler, scorer_id="judge@1", pictures=4,
        missing=0, mean=mean, std=0.1, own_mean=1.0, rank_correlation=None,
    )  # fmt: skip


def test_mlflow_gets_each_policy_once_however_often_the_table_grew(
    tmp_path: Path, file_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = new_database(tmp_path / "mlflow")
    run = SoundRun.at(file_store)
    run.commit()
    table = rescoring.RescoredResult(scorer="judge-1", scorer_ids=("judge@1",), rows=(row(0, mean=0.25),))
    for more in ((), (row(2, mean=0.5), row(2, mean=None, split="seen"), row(2, mean=0.125, sampler="deployed"))):
        grown = table.model_copy(update={"rows": (*table.rows, *more)})
        monkeypatch.setattr(rescoring, "tables", lambda _, grown=grown: {"judge-1": grown})
        tracking.project(run.run, tracking_uri=mlflow)
    found = rows(mlflow, "select key, step, value from metrics where key like 'rescored/%' order by key, step")
    assert found == [
        ("rescored/judge-1/held_out_deployed_mean", 2, 0.125),
        ("rescored/judge-1/held_out_mean", 0, 0.25),
        ("rescored/judge-1/held_out_mean", 2, 0.5),
    ]


def test_two_scorers_of_a_name_are_never_one_curve() -> None:
    table = rescoring.RescoredResult(
        scorer="judge-1",
        scorer_ids=("judge@1", "judge@2"),
        rows=(row(0, mean=0.25), row(0, mean=0.5).model_copy(update={"scorer_id": "judge@2"})),
    )
    points = rescored_points(table, datetime(2026, 1, 1, tzinfo=UTC))
    assert {(p.key, p.value) for p in points} == {
        ("rescored/judge-1-1/held_out_mean", 0.25),
        ("rescored/judge-1-2/held_out_mean", 0.5),
    }


def test_iterations_are_thinned_out_but_for_the_last(file_store: str) -> None:
    state = campaign.load(RunLayout(SoundRun.at(file_store).commit()))
    long = type(state)(**{**vars(state), "trained": state.trained[:1] * 8})
    assert rescoring.groups(long, "training", every=3) == [f"iteration-{k:04d}" for k in (0, 3, 6, 7)]
    assert rescoring.groups(state, "evaluation") == ["policy-0000", "policy-0002"]


def test_a_scorer_with_other_options_has_a_place_of_its_own() -> None:
    names = [rescoring.scorer_name(RewardConfig(name="jpeg_compressibility", options=o)) for o in ({}, {"quality": 80})]
    assert len(set(names)) == 2
