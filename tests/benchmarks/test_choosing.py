"""How limits are chosen, by hand."""

from __future__ import annotations

import pytest

from benchmarks.calibration.choosing import Healthy, choose
from benchmarks.calibration.tables import Measured
from benchmarks.calibration.text import ending_with
from benchmarks.calibration.trials import Evaluation, alarms, at_level, stopped
from components.core.contracts import Signal
from components.evaluation.limits import Calibration, Limit

CONTRAST, WITHIN, KL = "statistic:contrast", "diversity:within_prompt", "kl_to_base"


def signal(name: str, value: float | None, *, votes: bool = True) -> Signal:
    return Signal(name=name, value=value, unit="", votes=votes, reason="", cap=name == KL)


def null(*values: float) -> list[tuple[Signal, ...]]:
    return [(signal(CONTRAST, value),) for value in values]


def run(name: str, *values: float, signal_name: str = CONTRAST, reward: str = "r", votes: bool = True) -> Healthy:
    return Healthy(name, reward, tuple((signal(signal_name, value, votes=votes),) for value in values))


def test_a_fail_lies_twice_as_far_out_as_the_farthest_healthy_run_and_a_warning_half_as_much_beyond_it():
    """Farthest is -0.8: it fails beyond 1.6, and warns beyond 1.2."""
    chosen = choose([CONTRAST], null(0.01, -0.01), [run("a", 0.1, 0.5), run("b", -0.8), run("c", 0.3)])[CONTRAST]
    assert (chosen.warn, chosen.fail, chosen.healthy, chosen.null) == (1.2, 1.6, 0.8, 0.01)


def test_chance_lies_within_though_healthy_runs_hardly_moved():
    """Seed sets of sd 1 (0 and +-1, n - 1): a warning at 4, a fail at 6."""
    chosen = choose([CONTRAST], null(-1, 0, 1), [run("a", 0.1), run("b", 0.1), run("c", 0.1)])[CONTRAST]
    assert (chosen.warn, chosen.fail) == (4, 6)


def test_a_diversity_counts_from_1_down_and_never_below_a_tenth():
    """Down to .8: warned of below 1 - .2 * 1.5, failed below 1 - .2 * 2. Down to .3: a tenth, and no less."""
    mild = choose([WITHIN], [(signal(WITHIN, 1.0),)], [run(n, 0.8, 1.4, signal_name=WITHIN) for n in "abc"])[WITHIN]
    strong = choose([WITHIN], [(signal(WITHIN, 1.0),)], [run(n, 0.3, signal_name=WITHIN) for n in "abc"])[WITHIN]
    assert (mild.warn, mild.fail, mild.healthy) == (0.7, 0.6, 0.8)
    assert strong.fail == 0.1


def test_what_a_reward_pushes_makes_no_limit_where_three_others_vote():
    pushed = run("d", 5.0, votes=False)
    voting = [run(n, 0.5) for n in "abc"]
    assert choose([CONTRAST], null(0, 0), [*voting, pushed])[CONTRAST].fail == 1
    assert choose([CONTRAST], null(0, 0), [*voting[:2], pushed])[CONTRAST].fail == 10


def test_signals_whose_limits_stand_in_the_config_get_none():
    assert choose(["judge_loss:judge", "reward_missing"], null(0), [run("a", 1.0)]) == {}


def test_a_reward_has_limits_of_its_own_from_three_runs_on():
    runs = [*(run(f"a{n}", 0.5, reward="a") for n in range(3)), *(run(f"b{n}", 2.0, reward="b") for n in range(2))]
    table = Measured("t", "base", "set", null(0, 0), runs).table()
    assert set(table.rewards) == {"a"}
    assert (table.rewards["a"][CONTRAST].fail, table.limits[CONTRAST].fail) == (1, 4)


def test_limits_made_without_a_run_do_not_know_it():
    runs = [run("a", 0.5), run("b", 0.5), run("odd", 3.0)]
    measured = Measured("t", "base", "set", null(0, 0), runs)
    without = measured.table_without("odd")
    assert without.rewards["r"][CONTRAST].fail == 1
    assert at_level("fail", runs[2].evaluations[0], without, "r") == [CONTRAST]
    assert at_level("fail", runs[2].evaluations[0], measured.table(), "r") == []


TABLE = Calibration(
    name="t", base_id="b", evaluation_set="s", limits={CONTRAST: Limit(warn=1, fail=2), KL: Limit(warn=8, fail=9)}
)


def test_an_alarm_is_a_warning_or_a_fail_of_what_votes():
    sets = [
        (signal(CONTRAST, 1.5),),
        (signal(CONTRAST, 0.5),),
        (signal(CONTRAST, -3),),
        (signal(CONTRAST, 9, votes=False),),
    ]
    assert alarms(sets, TABLE, "r") == [(0, CONTRAST), (2, CONTRAST)]


def over_long(every: int, *, kl_at: int = 99):
    """Contrast moves by .2 an evaluation of every other iteration and the judge loses 5 % with it."""
    steps = range(21)
    history = [
        Evaluation(2 * n, (signal(CONTRAST, 0.2 * n), signal(KL, 10.0 if 2 * n >= kl_at else 0.0)), 1 - 0.05 * n)
        for n in steps
    ]
    return stopped("long", "r", history, TABLE, every)


@pytest.mark.parametrize(("every", "failed", "judge"), [(2, 24, 0.4), (4, 28, 0.3), (10, 40, 0.0)])
def test_a_replay_stops_at_the_second_fail_in_a_row(every: int, failed: int, judge: float):
    """Beyond 2 from policy 22 on (11 x .2): at 22 and 24, at 24 and 28, or at 30 and 40."""
    found = over_long(every)
    assert found.failed == failed
    assert found.judge_there == pytest.approx(judge)


def test_a_cap_stops_a_replay_at_once():
    found = over_long(2, kl_at=10)
    assert (found.failed, found.said, found.judge_halved) == (10, (KL,), 22)


def test_text_has_a_limit_though_neither_chance_nor_training_ever_painted_any():
    """A twentieth of the picture, and a warning at half of that."""
    text = [(signal("text_area", 0.0),)] * 3
    chosen = choose(["text_area"], text, [run(n, 0.0, signal_name="text_area") for n in "abc"])["text_area"]
    assert (chosen.warn, chosen.fail) == (0.025, 0.05)


def test_text_of_enlarged_pictures_takes_the_place_of_what_was_not_available():
    """Only a healthy run's last evaluation is enlarged."""
    small = signal("text_area", None, votes=False)
    healthy = Healthy("a", "r", ((small, signal(CONTRAST, 1)), (small, signal(CONTRAST, 2))))
    ended = ending_with(healthy, [signal("text_area", 0.3)])
    assert ended.evaluations[0] == healthy.evaluations[0]
    assert [(s.name, s.value) for s in ended.evaluations[1]] == [(CONTRAST, 2), ("text_area", 0.3)]
