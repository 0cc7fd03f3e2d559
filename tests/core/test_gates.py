"""What a policy must show before anybody is asked: each gate, passed and failed, with numbers set by hand."""

from __future__ import annotations

import pytest

from components.core import gates
from components.core.audit import Audited
from components.core.campaign import Campaign
from components.core.config import RunConfig
from components.core.contracts import EvaluationResult, Interval, ScorerComparison, Signal, StartRequest
from components.core.gates import Gates
from components.core.layout import RunLayout
from components.core.promotion import Promotion

RUN = RunLayout("file:///store/runs/cats")
REWARD = RunConfig().reward.name


def compared(
    gain: tuple[float, float, float], *, reference: str = "base", sampler: str = "trained", split: str = "held_out"
) -> ScorerComparison:
    """A gain (mean, low, high) in standard deviations of the reference."""
    mean, low, high = gain
    interval = Interval(mean=mean, low=low, high=high)
    return ScorerComparison(
        scorer=REWARD, split=split, reference=reference, sampler=sampler, prompts=12, pairs=48, missing=0,
        reference_mean=1, reference_std=1, candidate_mean=1 + mean, difference=interval, gain=interval,
    )  # fmt: skip


def signal(level: str = "pass", *, votes: bool = True, name: str = "judge_loss:judge") -> Signal:
    return Signal(name=name, value=0.2, unit="share", level=level, votes=votes, reason=f"{name} is at {level}")


GOOD = (compared((0.5, 0.3, 0.7)), compared((0.4, -0.1, 0.9), sampler="deployed"))
"""A clear gain, and one of the sampler that ships whose few pictures leave the interval wide."""


LIMITED = signal(name="kl_to_base")
PASSING = (signal(), LIMITED)
"""A judge and a calibrated limit, both content."""


def report(policy: int = 10, *, comparisons=GOOD, signals=PASSING, champion: str | None = None) -> EvaluationResult:
    return EvaluationResult(
        policy=policy, policy_id=f"policy-{policy}", base_id="policy-0", start_id="policy-0", champion_id=champion,
        comparisons=comparisons, kl_to_base=1.0, signals=signals,
    )  # fmt: skip


def state(*reports: EvaluationResult, **config) -> Campaign:
    start = StartRequest(out=RUN.uri, config=RunConfig(iterations=20, **config), base_id="sha256:base")
    return Campaign(run=RUN, start=start, iterations=20, trained=(), reports=reports, stopping=False)


def champion(policy_id: str, *, policy: int = 7, base_id: str = "sha256:base") -> Promotion:
    return Promotion(
        policy_id=policy_id, base_id=base_id, run=RUN.uri, policy=policy, training=None, registration="r", number=0,
        action="promote" if policy else "base", model="m", by="ann", reason="", at="2026-11-21T12:00:00Z",
    )  # fmt: skip


BASE = champion("policy-0", policy=0)


def outcome(judged: Gates) -> dict[str, bool]:
    return {gate.name: gate.passed for gate in judged.gates}


def test_a_good_policy_against_the_base():
    judged = gates.judge(state(report()), 10, BASE)
    assert outcome(judged) == {
        "champion": True, "hold": True, "guard": True, "held-out gain": True, "deployed sampler": True
    }  # fmt: skip
    assert (judged.passed, judged.refused, judged.policy_id) == (True, "", "policy-10")


def test_a_good_policy_against_a_champion_must_beat_it():
    against = compared((0.1, 0.01, 0.2), reference="champion")
    judged = gates.judge(state(report(comparisons=(*GOOD, against), champion="A")), 10, champion("A"))
    assert judged.passed
    assert outcome(judged)["gain over champion"]


@pytest.mark.parametrize(
    ("comparisons", "gate", "said"),
    [
        ((compared((0.5, -0.01, 0.7)), GOOD[1]), "held-out gain", "+0.50 sd [-0.01, +0.70]"),
        ((compared((0.5, 0.3, 0.7), split="seen"), GOOD[1]), "held-out gain", "no held_out comparison with the base"),
        ((GOOD[0], compared((-0.02, -0.3, 0.2), sampler="deployed")), "deployed sampler", "-0.02 sd"),
        ((GOOD[0],), "deployed sampler", "its pictures were not compared"),
        ((*GOOD, compared((0.1, -0.1, 0.3), reference="champion")), "gain over champion", "over the champion +0.10 sd"),
        (GOOD, "gain over champion", "no held_out comparison with the champion"),
    ],
)
def test_what_is_not_shown_is_refused(comparisons, gate, said):
    judged = gates.judge(state(report(comparisons=comparisons, champion="A")), 10, champion("A"))
    assert not outcome(judged)[gate]
    assert any(said in g.reason for g in judged.gates if g.name == gate)
    assert not judged.passed


def test_the_limits_are_the_config_s():
    at_least = {"promotion": {"min_gain": 0.3}}
    assert not gates.judge(state(report(), **at_least), 10, None).passed  # 0.3 is not above 0.3
    lower = {"promotion": {"min_gain": 0.29}}
    assert gates.judge(state(report(), **lower), 10, None).passed
    equal = (*GOOD, compared((0.0, -0.05, 0.05), reference="champion"))
    lenient = {"promotion": {"min_gain_over_champion": -0.1}}
    assert gates.judge(state(report(comparisons=equal, champion="A"), **lenient), 10, champion("A")).passed


def test_no_pictures_of_the_sampler_that_ships_no_gate():
    judged = gates.judge(state(report(comparisons=GOOD[:1]), evaluation={"deployed_seeds": 0}), 10, None)
    assert judged.passed
    assert "deployed sampler" not in outcome(judged)


def test_compared_with_another_champion_than_now():
    """The run was opened under A; B became champion since."""
    against = compared((0.4, 0.2, 0.6), reference="champion")
    judged = gates.judge(state(report(comparisons=(*GOOD, against), champion="A")), 10, champion("B"))
    assert judged.refused == "compared with A, but the champion is B now: run it again against that one"


def test_compared_with_the_base_and_there_is_a_champion_now():
    assert gates.judge(state(report()), 10, champion("B")).refused.startswith("compared with the base, but")


def test_compared_with_a_champion_that_was_rolled_back_to_the_base():
    against = compared((0.4, 0.2, 0.6), reference="champion")
    judged = gates.judge(state(report(comparisons=(*GOOD, against), champion="A")), 10, BASE)
    assert judged.refused == "compared with A, but the champion is the base now: run it again against that one"


def test_the_champion_itself_is_no_candidate():
    assert "is the champion already" in gates.judge(state(report()), 10, champion("policy-10")).refused


def test_a_champion_of_another_base_cannot_be_replaced():
    """Though both were compared with `the base`, it was not the same base."""
    other = champion("policy-0", policy=0, base_id="sha256:other")
    assert "another base, sha256:other" in gates.judge(state(report()), 10, other).refused


def test_one_failing_signal_refuses_though_nothing_confirmed_it():
    judged = gates.judge(state(report(signals=(signal("fail"), LIMITED))), 10, None)
    assert judged.refused == "the guard says fail: judge_loss:judge is at fail"


def test_an_evaluation_without_signals_is_no_pass():
    """A run of an older release: nobody looked at its pictures."""
    judged = gates.judge(state(report(signals=())), 10, None)
    assert judged.refused == "its evaluation holds no signals: the guard did not look"


def test_a_person_reads_how_many_signals_voted():
    told = {gate.name: gate.reason for gate in gates.judge(state(report()), 10, None).gates}
    assert told["guard"] == "the guard says pass: 2 signals vote, 0 do not"
    unwatched = (signal(votes=False), signal(name="reward_missing"))
    told = {gate.name: gate.reason for gate in gates.judge(state(report(signals=unwatched)), 10, None).gates}
    assert told["guard"] == (
        "the guard says pass: 1 signals vote, 1 do not; no judge and no calibrated limit watched these pictures"
    )


def test_a_signal_without_a_vote_refuses_nothing():
    judged = gates.judge(state(report(signals=(signal("fail", votes=False), signal()))), 10, None)
    assert judged.passed


def test_hold_keeps_the_whole_run_back():
    """Policy 10 passes; 20 and 30 fail in a row, so the run is held, and 10 with it."""
    bad = [report(k, signals=(signal("fail"),)) for k in (20, 30)]
    held = state(report(), *bad, guard={"on_fail": "hold"})
    assert gates.judge(held, 10, None).refused.startswith("the guard holds this run: policy 30")
    assert gates.judge(state(report(), *bad, guard={"on_fail": "stop"}), 10, None).passed
    unconfirmed = state(report(), bad[0], guard={"on_fail": "hold"})
    assert gates.judge(unconfirmed, 10, None).passed


def test_who_has_the_last_word():
    automatic = {"promotion": {"approval": "automatic"}}
    asks = {
        "the config asks for a person": state(report()),
        None: state(report(), **automatic),
        "the guard warns": state(report(signals=(signal("warn"), LIMITED)), **automatic),
        "no calibrated limit watched these pictures": state(report(signals=(signal(),)), **automatic),
        "no judge watched these pictures": state(report(signals=(LIMITED,)), **automatic),
        "no judge and no calibrated limit watched these pictures": state(
            report(signals=(signal(votes=False), signal(name="reward_missing"), signal(name="reward_constant"))),
            **automatic,
        ),
    }
    assert {why: gates.judge(s, 10, None).needs_person for why, s in asks.items()} == {why: why for why in asks}
    assert gates.judge(asks["the guard warns"], 10, None).passed


@pytest.mark.parametrize(
    ("knob", "level", "passed", "person"),
    [
        ("warn", "pass", True, None),
        ("warn", "warn", True, "the reward's audit warns"),
        ("warn", None, True, "the reward is not audited"),
        ("warn", "fail", False, "the reward's audit warns"),
        ("required", None, False, "the reward is not audited"),
        ("required", "warn", True, "the reward's audit warns"),
    ],
)
def test_a_reward_is_audited_or_a_person_knows(knob, level, passed, person):
    """A failed audit refuses; a missing one refuses only where the config requires it."""
    config = {"promotion": {"approval": "automatic", "audit": knob}}
    judged = gates.judge(state(report(), **config), 10, None, Audited(level=level, said="what the audit said"))
    assert (judged.passed, judged.needs_person) == (passed, person)
    assert judged.refused == ("" if passed else "what the audit said")


@pytest.mark.parametrize("policy", [0, 5])
def test_the_start_and_what_was_not_evaluated_are_no_candidates(policy):
    judged = gates.judge(state(report(0), report()), policy, None)
    assert judged.refused == f"policy {policy} of cats has no evaluation"
