"""The score cannot be won by destroying the picture, and the table says what the reports say."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from components.core import comparison_scores as scores
from components.core import comparison_table as tables
from components.core import comparison_tuning as tuning
from components.core import store
from components.core.comparison import KeepConfig
from components.core.comparison_scores import Evaluated, ScoredRun
from components.core.errors import BadData, MissingInput
from tests.core.compared import asked, finish, opened, report


def evaluations(*found: tuple[float, float]) -> list[Evaluated]:
    """(held-out gain, share kept) of policies 0, 1, 2, ..."""
    return [
        Evaluated(
            policy=k,
            reward_queries=64 * k,
            held_out=gain,
            seen=gain,
            judges={"judge": kept},
            diversity=1.0,
            kl_to_base=0.0,
        )
        for k, (gain, kept) in enumerate(found)
    ]


def scored(algorithm: str, rate: float, gain: float, *, seed: int = 0) -> ScoredRun:
    points = evaluations((0.0, 1.0), (gain, 1.0))
    best = scores.best(points, KeepConfig())
    return ScoredRun(
        run=f"{algorithm}-{rate}", algorithm=algorithm, reward="size", seed=seed, learning_rate=rate,
        evaluations=tuple(points), best=best,
    )  # fmt: skip


def test_a_gain_that_destroys_does_not_count() -> None:
    """The largest gain costs the judge 40 %; the largest that keeps 90 %, and not a hair less, is 0.9."""
    found = evaluations((0.0, 1.0), (0.4, 0.99), (0.9, 0.9), (1.2, 0.89999), (1.5, 0.6))
    assert scores.best(found, KeepConfig()).held_out == 0.9
    assert scores.best(found, KeepConfig(judges=0.5)).held_out == 1.5


def test_a_gain_by_drawing_one_picture_does_not_count() -> None:
    """The judge is content; of the base's diversity 0.6, 0.5 and 0.49 are left. Half must be."""
    found = evaluations((0.0, 1.0), (0.4, 1.0), (0.9, 1.0), (1.5, 1.0))
    collapsing = [
        e.model_copy(update={"diversity": left}) for e, left in zip(found, (1.0, 0.6, 0.5, 0.49), strict=True)
    ]
    assert scores.best(collapsing, KeepConfig()).held_out == 0.9
    assert scores.best(collapsing, KeepConfig(diversity=0.0)).held_out == 1.5
    unknown = [e.model_copy(update={"diversity": None}) for e in found]
    assert scores.best(unknown, KeepConfig()).held_out == 1.5


def test_a_run_that_only_destroys_has_what_the_base_has() -> None:
    assert scores.best(evaluations((0.0, 1.0), (2.0, 0.3), (3.0, 0.1)), KeepConfig()).policy == 0
    assert scores.best(evaluations((0.0, 1.0), (-0.2, 1.0)), KeepConfig()).held_out == 0.0


def test_a_judge_keeps_what_it_keeps_on_the_worse_split() -> None:
    """0.8 on the base: 0.76 is 95 %, 0.6 is 75 %."""
    keep = KeepConfig()
    assert scores.kept(report(1, 1.0, 0.95, kept_seen=0.75), "judge", keep) == pytest.approx(0.75)
    assert scores.kept(report(1, 1.0, 0.95), "judge", keep) == pytest.approx(0.95)
    assert scores.kept(report(1, 1.0, 0.0), "judge", keep) == 0.0
    assert scores.kept(report(1, 1.0, 0.95), "another", keep) is None


def test_a_judge_that_is_silent_keeps_nothing() -> None:
    """It answered 15 of 16 pictures: 6 % missing, and 5 % are allowed."""
    assert scores.kept(report(1, 1.0, 1.0, missing=1), "judge", KeepConfig()) == 0.0


def test_a_judge_whose_zero_means_nothing_may_fall_by_so_many_sd() -> None:
    """0.8 falls by 5 % = 0.04 = 0.08 sd of 0.5. Allowed 0.08 it keeps 0.9, the limit; allowed 0.16 half of the loss."""
    fell = report(1, 1.0, 0.95)
    assert scores.kept(fell, "judge", KeepConfig(loss_sd={"judge": 0.08})) == pytest.approx(0.9)
    assert scores.kept(fell, "judge", KeepConfig(loss_sd={"judge": 0.16})) == pytest.approx(0.95)
    assert scores.kept(fell, "judge", KeepConfig(loss_sd={"judge": 0.04})) == pytest.approx(0.8)


def test_the_rate_whose_worst_run_is_best_is_chosen_and_of_equals_the_smallest() -> None:
    """1e-2 has the best run and the best mean, 0.9 and 0.5; its other seed has 0.1, and 1e-3 has 0.3 twice."""
    tried = [
        scored("a", 1e-2, 0.9),
        scored("a", 1e-2, 0.1, seed=1),
        scored("a", 1e-4, 0.2),
        scored("a", 1e-4, 0.2, seed=1),
    ]
    tried += [scored("a", 1e-3, 0.3), scored("a", 1e-3, 0.3, seed=1)]
    tried += [scored("b", rate, -1.0) for rate in (1e-2, 1e-3)]
    rates = tuning.choose(tried)
    assert [(r.algorithm, r.learning_rate, r.score) for r in rates if r.chosen] == [("a", 1e-3, 0.3), ("b", 1e-3, 0.0)]
    assert [(r.algorithm, r.learning_rate) for r in rates if r.at_edge] == [("b", 1e-3)]
    (large,) = [r for r in rates if (r.algorithm, r.learning_rate) == ("a", 1e-2)]
    assert (large.scores, large.last_gain) == ((0.9, 0.1), pytest.approx(0.5))


def test_a_row_is_over_its_seeds_and_the_best_stands_first() -> None:
    runs = [scored("a", 1e-3, gain, seed=seed) for seed, gain in enumerate((0.2, 0.6))]
    runs += [scored("b", 1e-3, gain, seed=seed) for seed, gain in enumerate((0.5, 0.9))]
    b, a = tables.rows(runs, ["size"])
    assert (b.algorithm, b.score, b.low, b.high, b.seeds) == ("b", pytest.approx(0.7), 0.5, 0.9, 2)
    assert (a.algorithm, a.score, a.scores) == ("a", pytest.approx(0.4), (0.2, 0.6))
    assert tables.against(b, a) == "3 of 4 pairs of seeds above"


def test_a_comparison_from_its_tuning_to_its_table(file_store: str, tmp_path: Path) -> None:
    """ddpo_is gains 1.0 with the judge at 80 % and 0.6 before: its score is 0.6. ddpo_sf gains 0.5 and 0.3."""
    found = opened(file_store, tmp_path, asked(1e-4, 1e-3))
    with pytest.raises(MissingInput, match=r"8 tuning runs are not finished, .* two-ddpo_is-size-lr0\.0001-s1000"):
        tuning.commit_tuning(found)
    for run in found.tuning_runs():
        assert scores.whole(run) is None
        gain = {"ddpo_is": 0.1, "ddpo_sf": 0.2}[run.algorithm] * (2 if run.learning_rate == 1e-3 else 1)
        finish(run, (gain, 1.0 if run.algorithm == "ddpo_is" or run.learning_rate == 1e-4 else 0.5))
    assert tuning.rates(found) is None
    assert tuning.commit_tuning(found) == tuning.commit_tuning(found) == tuning.tuned(found)
    assert tuning.rates(found) == {("ddpo_is", "size"): 1e-3, ("ddpo_sf", "size"): 1e-4}

    runs = found.runs(tuning.rates(found) or {})
    with pytest.raises(MissingInput, match="no run of two is finished yet"):
        tables.tabulate(found)
    for run in runs[:3]:
        finish(run, *([(0.6, 0.95), (1.0, 0.8)] if run.algorithm == "ddpo_is" else [(0.5, 1.0), (0.3, 1.0)]))
    request, table = tables.tabulate(found)
    assert table.unfinished == ("two-ddpo_sf-size-s1",)
    first, second = table.rows
    assert (first.algorithm, first.score, first.seeds, first.queries) == ("ddpo_is", pytest.approx(0.6), 2, 64)
    assert (first.seen, first.kept) == (pytest.approx(1.2), pytest.approx(0.95))
    assert (first.last_gain, first.last_kept, first.last_kl) == (pytest.approx(1.0), pytest.approx(0.8), 4.0)
    assert (second.algorithm, second.score) == ("ddpo_sf", pytest.approx(0.5))
    (base,) = table.bases
    assert (base.mean, base.std, base.judges) == (1.5, 0.5, {"judge": 0.8})

    finish(runs[3], (0.5, 1.0), (0.3, 1.0))
    assert tables.tabulate(found)[0].out != request.out
    assert tables.newest_table(found) is None
    with store.Attempt(request.out, step="compared") as attempt:
        attempt.commit(request, table)
    assert tables.newest_table(found) == (request.out, table)


def test_a_judge_without_a_zero_says_nothing(file_store: str, tmp_path: Path) -> None:
    found = opened(file_store, tmp_path)
    (run, *_) = found.runs(found.given_rates())
    finish(run, (0.5, 1.0), (0.5, 1.0))
    done = scores.whole(run)
    assert done is not None
    below = [c.model_copy(update={"reference_mean": -1.0}) for c in done.state.reports[0].comparisons]
    blind = done.state.reports[0].model_copy(update={"comparisons": tuple(below)})
    with pytest.raises(BadData, match="no judge's base score is above 0"):
        scores.evaluated(done.state, blind, KeepConfig())


def test_the_examples_hold() -> None:
    assert doctest.testmod(tables).failed == 0
