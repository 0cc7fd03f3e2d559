"""The comparisons that come with the project, and one made through the real driver with fake steps."""

from __future__ import annotations

import doctest
import json
from pathlib import Path

import pytest

from components.core.deployment import Deployment
from dags.pipeline import comparisons
from tests.dags.homes import Home, finished

TINIER = (
    "reward_queries=16",
    "evaluations=2",
    "seeds=[0]",
    'rewards={size={preset="smoke"}}',
    "tuning={reward_queries=8, evaluations=1, seeds=[1000]}",
    'algorithms={ddpo_sf={learning_rates=[1e-3, 1e-4], overrides=["training.updates=1"]}}',
)
"""Changes to `tiny`: two tuning runs of one iteration, and one run of two."""


@pytest.mark.parametrize("name", comparisons.names())
def test_every_comparison_is_whole_and_fair(name: str, tmp_path: Path) -> None:
    """Each of its configs is valid, and all runs of a stage spend the same queries, evaluated at the same ones."""
    places = Deployment(store=tmp_path.as_uri(), tracking_uri="sqlite:///x.db", home=tmp_path)
    found = comparisons.preview(name, places)
    rates = {arm: found.config.algorithms[arm[0]].learning_rates[0] for arm in found.config.arms}
    for runs in (found.tuning_runs(), found.runs(rates)):
        spent = {(r.config.iterations, r.config.evaluation.every, r.config.samples_per_iteration) for r in runs}
        assert len({(iterations * samples, every * samples) for iterations, every, samples in spent}) <= 1
        for reward in found.config.rewards:
            assert len({r.config.evaluation.set for r in runs if r.reward == reward}) <= 1
        assert {r.config.training.algorithm for r in runs} <= {
            arm.algorithm or name for name, arm in found.config.algorithms.items()
        }


@pytest.mark.system
@pytest.mark.airflow
@pytest.mark.timeout(900)
def test_a_comparison_goes_on_where_it_was(tmp_path: Path) -> None:
    """A failure in its first run, and the same command makes only what is missing; so does the DAG."""
    home = Home(tmp_path)
    changes = [*TINIER, f'overrides=["base.model={home.base}", "evaluation.deployed_seeds=0"]']

    def compare(*options: str, **environment: str) -> tuple[int, str, str]:
        settings = [part for change in changes for part in ("--set", change)]
        page = f"--out={tmp_path / 'page.html'}"
        process = home.ddpo("compare", "tiny", "--name=fakes", page, *settings, *options, **environment)
        out, err = process.communicate()
        return process.returncode, out, err

    code, _, err = compare(FAKE_FAIL="evaluation")
    assert (code, "the shard is corrupt" in err) == (65, True)
    code, out, err = compare()
    assert code == 0, err
    assert out.splitlines()[0].startswith("comparison fakes: 2 of 2 tunings to be made")
    assert home.called("sampling", "fakes-ddpo_sf-size-lr0.001-s1000") == 6  # two shards thrice
    assert "(the edge of what was tried)" in out  # of two rates each is one
    assert "comparison fakes: 1 of 1 runs to be made" in out
    assert "not tracked" in err  # nobody listens at MLflow's address, and that must not matter
    (row,) = [line.split() for line in out.splitlines() if line.startswith("  ddpo_sf")]
    assert row[1:3] == ["0.0001", "+0.20"]  # of equal scores the smaller rate; what the fakes give policy 2
    assert (tmp_path / "page.html").read_text().count("<svg") == 1

    code, out, err = compare("--json")
    assert (code, json.loads(out)["rows"][0]["score"]) == (0, pytest.approx(0.2)), err
    code, _, err = compare("--only=*-weight-*")
    assert (code, "--only '*-weight-*' names none of the runs of fakes" in err) == (64, True)
    shown = finished(home.ddpo("compare", "fakes", "--show", f"--out={tmp_path / 'again.html'}"))
    assert shown[0] == 0, shown[2]
    assert (tmp_path / "again.html").read_text() == (tmp_path / "page.html").read_text()
    assert "ddpo compare fakes --show" in (tmp_path / "page.html").read_text()
    nothing = finished(home.ddpo("compare", "tiny", "--show"))
    assert nothing[0] == 66, nothing

    before = home.calls.read_text()
    driven = home.dag_run("ddpo_compare", "again", {"comparison": "tiny", "name": "fakes", "overrides": changes})
    assert driven.state == "success", driven.said
    assert {name: driven.tasks[name] for name in ("tuning_runs", "choose_rates", "runs", "compare")} == {
        "tuning_runs": "skipped", "choose_rates": "success", "runs": "skipped", "compare": "success",
    }  # fmt: skip
    assert home.calls.read_text() == before


def test_the_examples_hold() -> None:
    assert doctest.testmod(comparisons).failed == 0
