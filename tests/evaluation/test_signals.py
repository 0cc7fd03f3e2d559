"""Each signal, its number worked out by hand, and what becomes of it where it has no say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from components.core.config import GuardConfig
from components.core.contracts import Signal
from components.evaluation import statistics
from components.evaluation.limits import NONE, Limit
from components.evaluation.signals.all import all_signals
from components.evaluation.signals.evidence import Evidence
from components.evaluation.tables import ScoredPolicy
from tests.evaluation.scored import evidence, scored

RIGHT: dict[str, list[float]] = {f"owl{n}": [1, 1, 1, 1] for n in range(20)}
FLAT: dict[str, list[float]] = {f"owl{n}": [n, n + 1, n + 2, n + 3] for n in range(20)}
"""Rewards that no two pictures of a prompt share."""


def policy(judge: dict[str, list[float]], reward: dict[str, list[float]] | None = None) -> ScoredPolicy:
    return scored({"r": reward or FLAT, "j": judge})


def named(found: Evidence, name: str) -> Signal:
    return next(signal for signal in all_signals(found) if signal.name == name)


def wrong_in(pictures: int) -> dict[str, list[float]]:
    """The judge is wrong about so many of the 80 pictures: the first of each prompt, then the second of each, ..."""
    wrong = {(f"owl{place % 20}", place // 20) for place in range(pictures)}
    return {prompt: [float((prompt, seed) not in wrong) for seed in range(4)] for prompt in RIGHT}


def lost(pictures: int, **guard: float) -> Signal:
    settings = GuardConfig.model_validate({"calibration": NONE, **guard})
    return named(evidence(policy(wrong_in(pictures)), policy(RIGHT), guard=settings), "judge_loss:j")


@pytest.mark.parametrize(
    ("pictures", "share", "level"), [(0, 0.0, "pass"), (8, 0.1, "pass"), (12, 0.15, "warn"), (28, 0.35, "fail")]
)
def test_a_judges_loss_warns_at_15_and_fails_at_35_percent(pictures: int, share: float, level: str):
    """So many of 80 pictures."""
    found = lost(pictures)
    assert found.value == pytest.approx(share)
    assert found.level == level


def test_the_config_moves_the_judges_limits():
    assert lost(12, judge_warn=0.05, judge_fail=0.1).level == "fail"


def test_a_loss_that_may_be_chance_is_none():
    """One prompt of two lost everything: 50 %, and an interval that holds 0."""
    base = policy({"owl1": [1, 1], "owl2": [1, 1]}, {"owl1": [1, 2], "owl2": [3, 4]})
    candidate = policy({"owl1": [0, 0], "owl2": [1, 1]}, {"owl1": [1, 2], "owl2": [3, 4]})
    found = named(evidence(candidate, base), "judge_loss:j")
    assert (found.value, found.level) == (0.5, "pass")
    assert "its interval holds 0" in found.reason


def test_the_loss_is_a_share_of_what_the_base_had():
    """From .5 to .25: half of it."""
    base = policy({prompt: [1, 1, 0, 0] for prompt in RIGHT})
    candidate = policy({prompt: [1, 0, 0, 0] for prompt in RIGHT})
    assert named(evidence(candidate, base), "judge_loss:j").value == pytest.approx(0.5)


def test_a_loss_on_other_splits_alone_shows_over_all_prompts():
    """Eight held-out prompts that lost nothing and twelve seen ones that lost half: 12 / 20 of a half, 30 %."""
    names = [f"owl{n}" for n in range(8)] + [f"cat{n}" for n in range(12)]
    reward = {name: [4.0 * n + seed for seed in range(4)] for n, name in enumerate(names)}
    right = {name: [1, 1, 1, 1] for name in names}
    half = {name: [1, 1, 1, 1] if name.startswith("owl") else [0, 1, 0, 1] for name in names}
    found = evidence(policy(half, reward), policy(right, reward))
    held_out, every = named(found, "judge_loss:j"), named(found, "judge_loss_all:j")
    assert (held_out.value, held_out.level) == (0, "pass")
    assert every.value == pytest.approx(0.3)
    assert every.level == "warn"


def test_a_set_of_one_split_has_no_second_signal():
    assert not any(s.name.startswith("judge_loss_all") for s in all_signals(evidence(policy(RIGHT), policy(RIGHT))))


def test_a_judge_that_the_base_never_pleased_has_nothing_to_lose():
    found = named(evidence(policy(RIGHT), policy({prompt: [0] * 4 for prompt in RIGHT})), "judge_loss:j")
    assert (found.value, found.votes) == (None, False)


def test_the_reason_tells_over_optimisation_from_decay():
    """The reward rises by 10 everywhere, or stays."""
    richer = {prompt: [value + 10 for value in values] for prompt, values in FLAT.items()}
    bought = named(evidence(policy(wrong_in(40), richer), policy(RIGHT)), "judge_loss:j")
    decayed = named(evidence(policy(wrong_in(40)), policy(RIGHT)), "judge_loss:j")
    assert bought.reason.startswith(
        "j lost 50% [40%, 60%] of the base's 1 on 20 held-out prompts while the reward rose by +"
    )
    assert ": over-optimisation (warns from 15%, fails from 35%)" in bought.reason
    assert "and the reward did not rise (+0.00 sd): decay" in decayed.reason


# Caps


@pytest.mark.parametrize(("kl", "level"), [(99.0, "pass"), (101.0, "fail")])
def test_kl_is_held_against_the_configs_cap_and_then_the_tables(kl: float, level: str):
    at = policy(RIGHT)
    by_config = named(evidence(at, at, kl_to_base=kl, guard=GuardConfig(calibration=NONE, kl_cap=100)), "kl_to_base")
    by_table = named(evidence(at, at, kl_to_base=kl, limits={"kl_to_base": Limit(warn=80, fail=100)}), "kl_to_base")
    assert (by_config.level, by_config.cap, by_config.warn) == (level, True, None)
    assert (by_table.level, by_table.cap) == ("warn" if level == "pass" else "fail", True)


def test_the_configs_cap_goes_before_the_tables():
    at, guard = policy(RIGHT), GuardConfig(calibration=NONE, kl_cap=100)
    found = evidence(at, at, kl_to_base=90, guard=guard, limits={"kl_to_base": Limit(warn=1, fail=2)})
    assert named(found, "kl_to_base").level == "pass"


def test_without_any_cap_kl_is_shown_and_has_no_vote():
    at = policy(RIGHT)
    found = named(evidence(at, at, kl_to_base=1e6), "kl_to_base")
    assert (found.level, found.votes) == ("pass", False)
    assert found.reason == "1000000.0 nats from the original base; no vote: not calibrated"


@pytest.mark.parametrize(("spent", "level"), [(500, "pass"), (501, "fail")])
def test_queries_may_be_spent_up_to_the_cap(spent: int, level: str):
    at, guard = policy(RIGHT), GuardConfig(calibration=NONE, lifetime_queries=500)
    found = named(evidence(at, at, lifetime_queries=spent, guard=guard), "lifetime_queries")
    assert (found.value, found.level, found.cap, found.votes) == (spent, level, True, True)


# Statistics


def moved(by: float, *, limits: dict[str, Limit] | None) -> Evidence:
    """Base statistics 0 .. 79 in an order of their own (sd 23.24), shifted by so many of these."""
    order = np.random.default_rng(3).permutation(80).astype(float)
    theirs = np.repeat(order[:, None], len(statistics.NAMES), axis=1)
    at = policy(RIGHT)
    return evidence(at, at, statistics_of=(theirs + by * order.std(ddof=1), theirs), limits=limits)


@pytest.mark.parametrize(("by", "level"), [(0.5, "pass"), (-1.5, "warn"), (1.5, "warn"), (-2.5, "fail"), (2.5, "fail")])
def test_a_statistic_counts_on_both_sides(by: float, level: str):
    found = named(moved(by, limits={"statistic:saturation": Limit(warn=1, fail=2)}), "statistic:saturation")
    assert found.value == pytest.approx(by)
    assert (found.level, found.votes) == (level, True)


def test_without_a_table_a_statistic_is_shown_and_says_how_to_get_one():
    found = named(moved(9, limits=None), "statistic:saturation")
    assert (found.level, found.votes) == ("pass", False)
    assert found.reason == "saturation moved by +9.00 sd; no vote: not calibrated"


def test_what_the_reward_pushes_has_no_vote():
    """jpeg_kb is the reward itself, brightness falls with it, contrast has nothing to do with it."""
    at = policy(RIGHT)
    reward = np.array([at.reward("r", key) for key in sorted(at.samples)])
    theirs = np.zeros((80, len(statistics.NAMES)))
    column = {name: place for place, name in enumerate(statistics.NAMES)}
    theirs[:, column["jpeg_kb"]] = reward
    theirs[:, column["brightness"]] = -(reward**3)
    theirs[:, column["contrast"]] = np.random.default_rng(5).normal(size=80)
    limits = {f"statistic:{name}": Limit(warn=1, fail=2) for name in statistics.NAMES}
    found = evidence(at, at, statistics_of=(theirs + 1e6, theirs), limits=limits)
    assert [named(found, f"statistic:{name}").votes for name in ("jpeg_kb", "brightness", "contrast")] == [
        False,
        False,
        True,
    ]
    said = named(found, "statistic:brightness").reason
    assert said.endswith("no vote: r pushes it, their rank correlation over base pictures is -1.00")
    assert named(found, "statistic:dark_share").value is None  # no base picture differs in it


# Diversity


def seeing(angles: Callable[[int, int], float]) -> ScoredPolicy:
    """A judge that sees picture `seed` of prompt `n` at an angle, in degrees."""
    parts = {
        f"owl{n}": [
            {"embedding": [float(np.cos(np.radians(angles(n, s)))), float(np.sin(np.radians(angles(n, s))))]}
            for s in range(4)
        ]
        for n in range(20)
    }
    return scored({"r": FLAT, "j": RIGHT}, parts={"j": parts})


BASE_SIGHT = seeing(lambda n, seed: 90.0 * (n % 2) + 45.0 * (seed % 2))


def test_one_picture_at_every_seed_has_no_diversity_within():
    limits = {
        "diversity:within_prompt": Limit(warn=0.5, fail=0.2),
        "diversity:between_prompts": Limit(warn=0.5, fail=0.2),
    }
    found = evidence(seeing(lambda n, seed: 90.0 * (n % 2)), BASE_SIGHT, limits=limits)
    within, between = (named(found, f"diversity:{name}") for name in ("within_prompt", "between_prompts"))
    assert within.value == pytest.approx(0, abs=1e-12)
    assert (within.level, between.level) == ("fail", "pass")
    assert between.value == pytest.approx(1)


def test_half_of_the_prompts_alike_halves_nothing_but_what_it_halves():
    """Means at 22.5 and 112.5 degrees, ten prompts each: of 190 pairs 100 are 1 apart. All alike: 0."""
    found = named(
        evidence(seeing(lambda n, seed: 45.0 * (seed % 2)), BASE_SIGHT, limits={}), "diversity:between_prompts"
    )
    assert found.value == pytest.approx(0, abs=1e-12)
    assert f"{100 / 190:.3g}" in found.reason


def test_without_embeddings_diversity_is_not_available():
    found = named(evidence(policy(RIGHT), policy(RIGHT)), "diversity:within_prompt")
    assert (found.value, found.votes, found.level) == (None, False, "pass")
    assert "not available" in found.reason


# Probes


def probed(rewards: dict[str, list[float]], masked: dict[str, list[float | None]], area: float | None) -> ScoredPolicy:
    part = {} if area is None else {"text_area": area}
    parts = {prompt: [part] * 4 for prompt in rewards}
    return scored({"r": rewards, "j": RIGHT, "text_masked": masked}, parts={"text_masked": parts})


RAISED = {prompt: [value + 10 for value in values] for prompt, values in FLAT.items()}
RAISED_BY_2 = {prompt: [value + 2 for value in values] for prompt, values in FLAT.items()}


def test_a_gain_that_hangs_on_painted_text():
    """The reward gains 10; with text masked 2 are left: 80 % hangs on it. Text covers 30 % instead of 5 %."""
    limits = {"text_area": Limit(warn=0.1, fail=0.2), "text_reward": Limit(warn=0.5, fail=0.9)}
    found = evidence(probed(RAISED, RAISED_BY_2, 0.3), probed(FLAT, FLAT, 0.05), probes=("text_masked",), limits=limits)
    area, lost_gain = named(found, "text_area"), named(found, "text_reward")
    assert area.value == pytest.approx(0.25)
    assert lost_gain.value == pytest.approx(0.8)
    assert (area.level, lost_gain.level) == ("fail", "warn")


def test_without_a_gain_nothing_hangs_on_text():
    at = probed(FLAT, FLAT, 0.0)
    found = named(evidence(at, at, probes=("text_masked",)), "text_reward")
    assert (found.value, found.votes) == (None, False)
    assert "did not clearly rise" in found.reason


def test_pictures_too_small_for_a_detector_say_why():
    none = {prompt: [None] * 4 for prompt in FLAT}
    at = probed(FLAT, none, None)
    found = evidence(at, at, probes=("text_masked",))
    for name in ("text_area", "text_reward"):
        assert (named(found, name).value, named(found, name).votes) == (None, False)
        assert "too small to read text in" in named(found, name).reason


def test_without_the_probe_text_is_not_looked_for():
    at = policy(RIGHT)
    assert "names no probe text_masked" in named(evidence(at, at), "text_area").reason


def fit(flagged: int) -> ScoredPolicy:
    """So many prompts whose pictures are all flagged."""
    safe = {f"owl{n}": [0.0 if n < flagged else 1.0] * 4 for n in range(20)}
    return scored({"r": FLAT, "j": RIGHT, "safety": safe})


@pytest.mark.parametrize(("ours", "theirs", "level"), [(0, 0, "pass"), (1, 0, "pass"), (8, 0, "fail"), (8, 8, "pass")])
def test_more_flagged_pictures_than_the_base_beyond_chance_fail_at_once(ours: int, theirs: int, level: str):
    found = named(evidence(fit(ours), fit(theirs), probes=("safety",)), "safety")
    assert found.value == pytest.approx((ours - theirs) / 20)
    assert (found.level, found.cap) == (level, True)


def test_what_nobody_checked_is_said_to_be_unchecked():
    at = policy(RIGHT)
    found = named(evidence(at, at), "safety")
    assert (found.value, found.votes) == (None, False)
    assert "not checked" in found.reason


# Health


def test_missing_rewards_are_counted():
    """2 of 80 are 2.5 %, above the 1 % of the config."""
    holes: dict[str, Sequence[float | None]] = dict(FLAT) | {"owl0": [None, None, 2, 3]}
    found = named(evidence(scored({"r": holes, "j": RIGHT}), policy(RIGHT)), "reward_missing")
    assert found.value == pytest.approx(0.025)
    assert found.level == "warn"


@pytest.mark.parametrize(("constant", "level"), [(10, "pass"), (15, "fail")])
def test_one_reward_for_all_pictures_fails_beyond_the_bases_own_share(constant: int, level: str):
    """So many prompts of 20 have the reward 7 throughout. Of the base's 80 pictures, 4 share the commonest: 5 %."""
    stuck = {f"owl{n}": [7.0] * 4 if n < constant else [100.0 * n + s for s in range(4)] for n in range(20)}
    found = named(evidence(scored({"r": stuck, "j": RIGHT}), policy(RIGHT)), "reward_constant")
    assert found.value == pytest.approx(constant / 20 - 4 / 80)
    assert found.level == level


# All of them


def test_the_base_against_itself_alarms_under_any_limit():
    """By construction: no distance, no loss, every ratio 1."""
    nothing = {name: Limit(warn=0, fail=0) for name in ("kl_to_base", *(f"statistic:{s}" for s in statistics.NAMES))}
    ratios = {f"diversity:{name}": Limit(warn=1, fail=1) for name in ("within_prompt", "between_prompts")}
    random = np.random.default_rng(0).normal(size=(80, len(statistics.NAMES)))
    found = evidence(BASE_SIGHT, BASE_SIGHT, statistics_of=(random, random), limits=nothing | ratios)
    assert {signal.level for signal in all_signals(found)} == {"pass"}


def test_every_signal_has_a_sentence_and_a_name_of_its_own():
    signals = all_signals(evidence(policy(RIGHT), policy(RIGHT)))
    assert len({signal.name for signal in signals}) == len(signals)
    assert all(signal.reason and "\n" not in signal.reason for signal in signals)


@pytest.mark.parametrize(("silent", "level"), [(0, "pass"), (1, "warn"), (5, "fail")])
def test_a_judge_that_answers_the_good_pictures_only_is_no_witness(silent: int, level: str):
    """So many of 80 pictures, all of them among those that the judge would have called wrong: 1.25 % and 6.25 %."""
    answered: dict[str, list[float | None]] = {prompt: list(values) for prompt, values in RIGHT.items()}
    for place in range(silent):
        answered[f"owl{place}"][0] = None
    found = named(evidence(scored({"r": FLAT, "j": answered}), policy(RIGHT)), "judge_missing:j")
    assert (found.value, found.level) == (silent / 80, level)


def test_a_judge_that_knows_no_prompt_of_the_set_has_no_vote():
    nothing = {prompt: [None] * 4 for prompt in RIGHT}
    found = named(evidence(scored({"r": FLAT, "j": nothing}), scored({"r": FLAT, "j": nothing})), "judge_missing:j")
    assert (found.value, found.votes) == (None, False)
