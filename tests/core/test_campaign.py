"""A run's state is derived from its commits, and so is what to do next."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.core import base_model, plan, store
from components.core.campaign import (
    Campaign,
    best_policy,
    control,
    decide,
    evaluation_owed,
    list_runs,
    load,
    read_controls,
)
from components.core.config import RunConfig, parse_config
from components.core.contracts import EvaluationResult, Interval, Level, ScorerComparison, Signal, TrainingResult
from components.core.errors import BadRequest, Conflict, MissingInput
from components.core.layout import RunLayout
from components.core.opening import open_run


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory that passes for a base model."""
    directory = tmp_path / "base"
    directory.mkdir()
    (directory / "model_index.json").write_text("{}")
    return directory


@pytest.fixture
def config(base: Path) -> RunConfig:
    """Ten iterations, evaluated every two."""
    return parse_config({"iterations": 10, "base": {"model": str(base)}, "evaluation": {"every": 2}})


def changed(config: RunConfig, **sections: dict) -> RunConfig:
    """The config with some values changed, a section at a time."""
    tree = config.model_dump()
    for section, values in sections.items():
        tree[section] |= values
    return parse_config(tree)


def train(run: RunLayout, *, upto: int) -> None:
    """Commit iterations until there are `upto`."""
    state = load(run)
    for k in range(state.next_iteration, upto):
        request = plan.iteration_requests(state.config, run, k)["training"]
        result = TrainingResult(
            policy_id=f"p{k + 1}", parent_id=f"p{k}", iteration=k, metrics={}, samples=64, dropped=0
        )
        with store.Attempt(request.out, step="training") as attempt:
            attempt.commit(request, result)


def evaluate(
    run: RunLayout,
    policy: int,
    gain: float,
    *,
    split: str = "held_out",
    level: Level | None = "pass",
    cap: bool = False,
) -> None:
    """Commit a report with this held-out gain of the reward, a judge that lost 9 sd, and one signal at this level."""
    request = plan.evaluation_requests(load(run).config, run, policy)["evaluation"]
    comparisons = tuple(
        ScorerComparison(
            scorer=scorer,
            split=split,
            reference="base",
            prompts=1,
            pairs=1,
            reference_mean=0,
            reference_std=1,
            candidate_mean=value,
            difference=Interval(mean=value, low=value, high=value),
            gain=Interval(mean=value, low=value, high=value),
            missing=0,
        )
        for scorer, value in (("jpeg_incompressibility", gain), ("judge", -9.0))
    )
    result = EvaluationResult(
        policy=policy,
        policy_id=f"p{policy}",
        base_id="p0",
        start_id="p0",
        comparisons=comparisons,
        kl_to_base=0,
        signals=()
        if level is None
        else (
            Signal(
                name="judge_loss:judge", value=0.4, unit="share", level=level, cap=cap, reason="the judge lost 40 %"
            ),
        ),
    )
    with store.Attempt(request.out, step="evaluation") as attempt:
        attempt.commit(request, result)


# Opening


def test_a_run_is_opened_once_and_again_without_work(store_root: str, config: RunConfig):
    first = open_run(store_root, "a", config)
    attempt = store.open_committed(first.uri).manifest.attempt
    assert open_run(store_root, "a", config) == first
    assert store.open_committed(first.uri).manifest.attempt == attempt
    assert load(first).config == config


def test_another_config_under_the_same_id_names_the_keys_that_differ(file_store: str, config: RunConfig):
    open_run(file_store, "a", config)
    other = changed(config, training={"learning_rate": 1e-3}, reward={"options": {"quality": 90}})
    with pytest.raises(Conflict, match=r"config: it differs in reward\.options\.quality, training\.learning_rate"):
        open_run(file_store, "a", other)


def test_other_base_weights_at_the_same_place_are_another_run(
    file_store: str, config: RunConfig, base: Path, monkeypatch
):
    open_run(file_store, "a", config)
    monkeypatch.setattr(base_model, "identify", lambda base: "sha256:other")
    with pytest.raises(Conflict, match="it differs in the base model's weights"):
        open_run(file_store, "a", config)


def test_a_base_that_is_not_there_is_refused_before_anything_is_written(file_store: str, config: RunConfig):
    missing = changed(config, base={"model": "/nowhere/at/all"})
    with pytest.raises(MissingInput, match="no base model at /nowhere/at/all"):
        open_run(file_store, "a", missing)
    assert list_runs(file_store) == []


def test_a_key_that_a_newer_version_adds_with_a_default_does_not_close_old_runs(file_store: str, config: RunConfig):
    """The old commit lacks the key; what it means is the same."""
    run = open_run(file_store, "a", config)
    marker = Path(run.uri.removeprefix("file://")) / "COMMITTED.json"
    text = marker.read_text()
    assert '"kind": "history"' in text
    marker.write_text(text.replace('"kind": "history",', ""))
    opened = store.open_committed(run.uri).manifest
    marker.write_text(opened.model_copy(update={"request_digest": "0" * 64}).model_dump_json())
    assert open_run(file_store, "a", config) == run


def test_a_run_that_nobody_opened_is_missing(file_store: str):
    with pytest.raises(MissingInput, match="no run at"):
        load(RunLayout.of(file_store, "a"))


def test_the_runs_of_a_store_are_those_that_were_opened(store_root: str, config: RunConfig):
    assert list_runs(store_root) == []
    open_run(store_root, "b", config)
    open_run(store_root, "a", config)
    control(RunLayout.of(store_root, "never-opened"), "stop")
    assert list_runs(store_root) == ["a", "b"]


# State


def test_the_state_is_what_is_committed(file_store: str, config: RunConfig):
    """Three trainings of 16 x 4 pictures; the reports of policies 0 and 2; policy 3 is not due."""
    run = open_run(file_store, "a", config)
    train(run, upto=3)
    evaluate(run, 0, 0.0)
    evaluate(run, 2, 0.4)
    state = load(run)
    assert (state.next_iteration, state.reward_queries, state.iterations) == (3, 192, 10)
    assert [t.policy_id for t in state.trained] == ["p1", "p2", "p3"]
    assert [report.policy for report in state.reports] == [0, 2]
    assert state.held_out(state.reports[1]).gain.mean == 0.4  # type: ignore[union-attr]  # it is there


def test_a_hole_ends_the_chain(file_store: str, config: RunConfig):
    """Iteration 2 without iteration 1 is nobody's descendant."""
    run = open_run(file_store, "a", config)
    train(run, upto=1)
    request = plan.iteration_requests(config, run, 2)["training"]
    with store.Attempt(request.out, step="training") as attempt:
        attempt.commit(
            request, TrainingResult(policy_id="x", parent_id="y", iteration=2, metrics={}, samples=1, dropped=0)
        )
    assert load(run).next_iteration == 1


def test_an_attempt_without_its_marker_is_no_training(file_store: str, config: RunConfig):
    run = open_run(file_store, "a", config)
    with store.Attempt(run.training(0), step="training") as attempt:
        attempt.write("optimizer.safetensors", b"half")
    assert load(run).next_iteration == 0


def test_the_last_policy_before_each_extension_keeps_its_report(file_store: str, config: RunConfig):
    """Evaluated every 4 of 10, then 5 more, then 5 more: 10 and 15 were last once, and are due no longer."""
    run = open_run(file_store, "a", changed(config, evaluation={"every": 4}))
    for end in (10, 15, 20):
        train(run, upto=end)
        evaluate(run, end, 0.1)
        control(run, "extend", iterations=5)
    train(run, upto=22)
    assert [report.policy for report in load(run).reports] == [10, 15, 20]


# What comes next


def test_it_goes_on_until_all_iterations_are_done(file_store: str, config: RunConfig):
    run = open_run(file_store, "a", config)
    first = decide(load(run))
    assert (first.action, first.next_iteration) == ("continue", 0)
    train(run, upto=9)
    assert (decide(load(run)).action, decide(load(run)).next_iteration) == ("continue", 9)
    train(run, upto=10)
    last = decide(load(run))
    assert (last.action, last.next_iteration, last.reason) == ("finish", None, "all 10 iterations done")


def test_the_same_state_gives_the_same_decision(file_store: str, config: RunConfig):
    run = open_run(file_store, "a", config)
    train(run, upto=4)
    assert decide(load(run)) == decide(load(run)) == decide(load(run))


def test_stop_ends_it_and_resume_takes_it_up(file_store: str, config: RunConfig):
    run = open_run(file_store, "a", config)
    train(run, upto=3)
    control(run, "stop", by="ann")
    stopped = decide(load(run))
    assert (stopped.action, stopped.reason) == ("finish", "stopped by request after 3 iterations")
    control(run, "resume")
    assert decide(load(run)).next_iteration == 3


def test_extensions_add_up(file_store: str, config: RunConfig):
    run = open_run(file_store, "a", config)
    train(run, upto=10)
    control(run, "extend", iterations=5)
    control(run, "extend", iterations=3)
    state = load(run)
    assert state.iterations == 18
    assert decide(state).next_iteration == 10


def test_an_extension_of_nothing_is_refused(file_store: str, config: RunConfig):
    run = open_run(file_store, "a", config)
    with pytest.raises(BadRequest, match="at least one iteration, not 0"):
        control(run, "extend")
    assert read_controls(run) == []


def with_gains(file_store: str, config: RunConfig, gains: list[float]) -> Campaign:
    """A run whose policies 0, 2, 4 ... have these held-out gains."""
    run = open_run(file_store, "a", config)
    train(run, upto=2 * (len(gains) - 1))
    for number, gain in enumerate(gains):
        evaluate(run, 2 * number, gain)
    return load(run)


def test_the_target_ends_it(file_store: str, config: RunConfig):
    state = with_gains(file_store, changed(config, stop={"target_gain": 1.0}), [0, 0.5, 1.0])
    assert decide(state).reason == "held-out gain 1.00 sd reached the target 1.0 sd"


def test_an_extension_goes_on_past_the_target(file_store: str, config: RunConfig):
    state = with_gains(file_store, changed(config, stop={"target_gain": 1.0}), [0, 0.5, 1.0])
    control(state.run, "extend", iterations=5)
    assert decide(load(state.run)).action == "continue"


def test_below_the_target_it_goes_on_and_the_judge_is_not_the_target(file_store: str, config: RunConfig):
    state = with_gains(file_store, changed(config, stop={"target_gain": 1.0}), [0, 0.5, 0.99])
    assert decide(state).action == "continue"


@pytest.mark.parametrize(
    ("gains", "action"),
    [
        ([0], "continue"),
        ([0, 0.5, 0.4], "continue"),  # one evaluation without a better gain, and two are asked for
        ([0, 0.5, 0.4, 0.5], "finish"),  # two, and as good is not better
        ([0, 0.5, 0.4, 0.6], "continue"),
        ([0, -0.2, -0.3], "continue"),  # policy 0 is the reference, not an evaluation that one could fall behind
        ([0, -0.2, -0.3, -0.4], "finish"),
    ],
)
def test_a_plateau_of_two_evaluations_ends_it(file_store: str, config: RunConfig, gains: list[float], action: str):
    assert decide(with_gains(file_store, changed(config, stop={"plateau": 2}), gains)).action == action


def test_a_report_without_the_held_out_split_decides_nothing(file_store: str, config: RunConfig):
    run = open_run(file_store, "a", changed(config, stop={"target_gain": 1.0}))
    train(run, upto=2)
    evaluate(run, 2, 5.0, split="seen")
    assert decide(load(run)).action == "continue"


def test_a_request_to_stop_comes_before_every_other_reason(file_store: str, config: RunConfig):
    state = with_gains(file_store, changed(config, stop={"target_gain": 1.0}), [0, 2.0])
    control(state.run, "stop")
    assert decide(load(state.run)).reason.startswith("stopped by request")


# The guard and the budgets


def guarded(file_store: str, config: RunConfig, levels: list[Level], **guard: object) -> Campaign:
    """A run whose policies 0, 2, 4 ... have a signal at these levels, and a gain that rises by 1 sd each."""
    run = open_run(file_store, "a", changed(config, guard=guard))
    train(run, upto=2 * (len(levels) - 1))
    for number, level in enumerate(levels):
        evaluate(run, 2 * number, float(number), level=level)
    return load(run)


@pytest.mark.parametrize(
    ("levels", "action"),
    [
        (["pass", "warn", "warn"], "continue"),
        (["pass", "pass", "fail"], "continue"),  # one evaluation can be a fluke
        (["pass", "fail", "pass", "fail"], "continue"),
        (["pass", "pass", "fail", "fail"], "finish"),
        (["fail", "fail"], "continue"),  # the start is the reference: it confirms nothing
    ],
)
def test_the_guard_stops_a_run_that_fails_twice_in_a_row(
    file_store: str, config: RunConfig, levels: list[Level], action: str
):
    assert decide(guarded(file_store, config, levels)).action == action


def test_a_stopped_run_says_why_and_stays_stopped(file_store: str, config: RunConfig):
    state = guarded(file_store, config, ["pass", "pass", "fail", "fail"])
    assert decide(state).reason == "the guard failed policy 6: the judge lost 40 %"
    control(state.run, "extend", iterations=5)
    assert decide(load(state.run)).action == "finish"


def test_a_cap_fails_at_once(file_store: str, config: RunConfig):
    run = open_run(file_store, "a", config)
    train(run, upto=2)
    evaluate(run, 2, 1.0, level="fail", cap=True)
    assert decide(load(run)).reason == "the guard failed policy 2: the judge lost 40 %"


def test_with_a_patience_of_one_the_first_failure_stops(file_store: str, config: RunConfig):
    assert decide(guarded(file_store, config, ["pass", "fail"], patience=1)).action == "finish"


@pytest.mark.parametrize("on_fail", ["continue", "hold", "lower_rate"])
def test_other_answers_to_a_failure_go_on(file_store: str, config: RunConfig, on_fail: str):
    state = guarded(file_store, config, ["pass", "pass", "fail", "fail"], on_fail=on_fail)
    assert decide(state).action == "continue"


def test_each_failed_evaluation_halves_the_rate(file_store: str, config: RunConfig):
    levels: list[Level] = ["pass", "fail", "fail", "fail"]  # the first failure is not confirmed, the next two are
    assert guarded(file_store, config, levels, on_fail="lower_rate").rate == 0.25


def test_no_other_answer_touches_the_rate(file_store: str, config: RunConfig):
    assert guarded(file_store, config, ["pass", "fail", "fail"], on_fail="continue").rate == 1.0


@pytest.mark.parametrize(
    ("levels", "best"),
    [
        (["pass", "pass", "pass", "pass"], 6),
        (["pass", "pass", "pass", "fail"], 4),  # the highest gain does not count where a signal fails
        (["pass", "pass", "warn", "warn"], 2),  # nor before one that passes
        (["pass", "warn", "warn", "fail"], 4),
        (["pass", "fail", "fail", "fail"], 0),  # nothing is left but the start
    ],
)
def test_the_best_policy_is_the_best_that_passes(file_store: str, config: RunConfig, levels: list[Level], best: int):
    assert best_policy(guarded(file_store, config, levels)) == best


@pytest.mark.parametrize(("budget", "done"), [(64 * 3, 3), (64 * 4 - 1, 3), (64 * 4, 4)])
def test_no_iteration_begins_that_would_exceed_the_budget(file_store: str, config: RunConfig, budget: int, done: int):
    run = open_run(file_store, "a", changed(config, stop={"reward_queries": budget}))
    while decide(load(run)).action == "continue":
        train(run, upto=load(run).next_iteration + 1)
    assert load(run).next_iteration == done
    assert decide(load(run)).reason == f"the budget of {budget} reward queries allows no further iteration"


def test_the_lifetime_cap_counts_what_warm_starts_spent(file_store: str, config: RunConfig):
    first = open_run(file_store, "first", config)
    train(first, upto=3)  # 3 x 64 reward queries
    capped = changed(config, guard={"lifetime_queries": 64 * 5})
    second = open_run(file_store, "second", capped.model_copy(update={"start_adapter": first.training(2)}))
    train(second, upto=1)
    assert decide(load(second)).action == "continue"  # 64 x (3 + 1), and one more fits
    train(second, upto=2)
    assert "lifetime cap of 320 reward queries" in decide(load(second)).reason


def test_hours_of_a_gpu_end_it(file_store: str, config: RunConfig):
    """Every training here takes no time at all, so the smallest budget there is allows more."""
    run = open_run(file_store, "a", changed(config, stop={"gpu_hours": 1.0}))
    train(run, upto=2)
    state = load(run)
    assert decide(state).action == "continue"
    spent = dataclasses.replace(state, gpu_seconds=3600.0)
    assert decide(spent).reason == "1.00 GPU hours are spent, of a budget of 1"


# The best policy


def test_the_best_policy_has_the_highest_held_out_gain(file_store: str, config: RunConfig):
    assert best_policy(with_gains(file_store, config, [0, 0.5, 0.9, 0.7])) == 4


def test_of_two_equals_the_newer_is_best(file_store: str, config: RunConfig):
    assert best_policy(with_gains(file_store, config, [0, 0.9, 0.9])) == 4


def test_the_start_is_nobodys_fine_tune(file_store: str, config: RunConfig):
    """Even where every policy is worse than it."""
    assert best_policy(with_gains(file_store, config, [0, -0.5, -0.2])) == 4


def test_nothing_is_best_where_none_was_evaluated(file_store: str, config: RunConfig):
    """Nobody looked: it is no policy to show to people."""
    run = open_run(file_store, "a", config)
    train(run, upto=3)
    assert best_policy(load(run)) == 0


def test_a_report_without_signals_is_no_pass(file_store: str, config: RunConfig):
    run = open_run(file_store, "a", config)
    train(run, upto=4)
    evaluate(run, 2, 0.1)
    evaluate(run, 4, 9.0, level=None)
    assert best_policy(load(run)) == 2


# What is evaluated


def test_the_policy_on_which_a_run_ends_is_evaluated_for_whatever_reason_it_ends(file_store: str, config: RunConfig):
    """Every second policy is due; the budget of five iterations ends the run on policy 5."""
    run = open_run(file_store, "a", changed(config, stop={"reward_queries": 5 * 64}))
    train(run, upto=3)
    assert [evaluation_owed(load(run), k) for k in (2, 3)] == [True, False]
    train(run, upto=5)
    assert evaluation_owed(load(run), 5)


def test_a_run_that_was_asked_to_stop_is_evaluated_where_it_stops(file_store: str, config: RunConfig):
    run = open_run(file_store, "a", config)
    train(run, upto=3)
    control(run, "stop")
    assert evaluation_owed(load(run), 3)


def test_an_evaluation_off_the_cadence_is_not_forgotten_after_a_resume(file_store: str, config: RunConfig):
    run = open_run(file_store, "a", config)
    train(run, upto=3)
    control(run, "stop")
    evaluate(run, 3, 1.0)
    control(run, "resume")
    train(run, upto=4)
    evaluate(run, 4, 0.5)
    assert [report.policy for report in load(run).reports] == [3, 4]
    assert best_policy(load(run)) == 3


# The control log


def test_what_people_asked_for_is_kept_in_order(store_root: str, config: RunConfig):
    run = open_run(store_root, "a", config)
    control(run, "stop", by="ann")
    control(run, "resume", by="bob")
    control(run, "extend", iterations=4, by="ann")
    assert [(c.action, c.iterations, c.by) for c in read_controls(run)] == [
        ("stop", 0, "ann"),
        ("resume", 0, "bob"),
        ("extend", 4, "ann"),
    ]


def test_everybody_who_asks_at_once_gets_a_place(store_root: str, config: RunConfig):
    """Twelve extensions by one each, by eight threads: none is lost, none is written over."""
    run = open_run(store_root, "a", config)
    with ThreadPoolExecutor(8) as people:
        list(people.map(lambda n: control(run, "extend", iterations=1, by=f"person {n}"), range(12)))
    assert load(run).iterations == 22
    assert {c.by for c in read_controls(run)} == {f"person {n}" for n in range(12)}


def test_two_who_looked_at_the_same_log_both_get_a_place(file_store: str, config: RunConfig, monkeypatch):
    """The second still sees an empty log when the first has written."""
    run = open_run(file_store, "a", config)
    control(run, "stop", by="ann")
    with monkeypatch.context() as stale:
        stale.setattr(store, "children", lambda uri: [])
        control(run, "resume", by="bob")
    assert [c.by for c in read_controls(run)] == ["ann", "bob"]
