"""The comparisons that come with the project, and one made through the real driver with fake steps."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from components.core.deployment import Deployment
from dags.pipeline import comparisons
from tests.dags.homes import Home

OWN = """
title = "Fakes"
reward_queries = 16
evaluations = 2
seeds = [0, 1]
overrides = ["base.model={base}", "evaluation.seeds=1"]
[rewards.size]
preset = "smoke"
[algorithms.ddpo_is]
learning_rates = [1e-3, 1e-4]
[algorithms.ddpo_sf]
learning_rates = [1e-3, 1e-4]
overrides = ["training.updates=1"]
[tuning]
reward_queries = 8
evaluations = 1
"""


@pytest.mark.parametrize("name", comparisons.names())
def test_every_comparison_is_whole_and_fair(name: str, tmp_path: Path) -> None:
    """Each of its configs is valid, and all runs of a stage spend the same queries, evaluated at the same ones."""
    places = Deployment(store=tmp_path.as_uri(), tracking_uri="sqlite:///x.db", home=tmp_path)
    found = comparisons.preview(name, places)
    rates = {arm: found.config.algorithms[arm[0]].learning_rates[0] for arm in found.config.arms}
    for runs in (found.tuning_runs(), found.runs(rates)):
        spent = {(r.config.iterations * r.config.samples_per_iteration, r.config.evaluation.set) for r in runs}
        assert len(spent) <= 1
        assert {r.config.training.algorithm for r in runs} <= {
            arm.algorithm or name for name, arm in found.config.algorithms.items()
        }


@pytest.mark.airflow
@pytest.mark.timeout(900)
def test_a_comparison_goes_on_where_it_was(tmp_path: Path) -> None:
    """Four tuning runs and four others; a failure in the middle, and the same command makes only what is missing."""
    home, file = Home(tmp_path), tmp_path / "fakes.toml"
    file.write_text(OWN.format(base=home.base))

    def compare(*options: str, **environment: str) -> tuple[int, str, str]:
        process = home.ddpo("compare", str(file), f"--out={tmp_path / 'page.html'}", *options, **environment)
        out, err = process.communicate()
        return process.returncode, out, err

    code, out, err = compare("--tune")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("comparison fakes: 4 of 4 tunings to be made")
    assert out.count("(the edge of what was tried)") == 2  # of two rates each is one
    assert home.called("training", "fakes-ddpo_sf-size-lr0.0001") == 1

    code, _, err = compare(FAKE_FAIL="evaluation")
    assert (code, "the shard is corrupt" in err) == (65, True)
    code, out, err = compare()
    assert code == 0, err
    assert "comparison fakes: 4 of 4 runs to be made" in out
    assert "not tracked" in err  # nobody listens at MLflow's address, and that must not matter
    rows = [line.split() for line in out.splitlines() if line.startswith("  ddpo_")]
    assert [row[0] for row in rows] == ["ddpo_is", "ddpo_sf"]
    assert all("+0.20" in row for row in rows)  # what the fakes give policy 2
    assert (tmp_path / "page.html").read_text().count("<svg") == 1

    before = home.calls.read_text()
    code, out, _ = compare("--show")
    assert (code, home.calls.read_text()) == (0, before)
    assert "to be made" not in out


def test_the_examples_hold() -> None:
    assert doctest.testmod(comparisons).failed == 0
