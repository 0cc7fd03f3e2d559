"""Did it learn? Said in plain words, and only as strongly as the intervals allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.core.contracts import ScorerComparison
from components.core.records import HELD_OUT
from components.evaluation.report.evidence import Evidence
from components.evaluation.report.vocabulary import SPACE, bracketed, percent, reward_words, signed, split_words

CLEAR = 0.5
"""Gain in base sd above which an interval's lower end makes a gain clear, and not only certain."""
HIGH_PRICE = 0.25
"""Share of its base score that a judge may lose before the page warns."""

Tone = Literal["good", "mixed", "bad", "none"]


@dataclass(frozen=True)
class Tile:
    """One number of the headline."""

    label: str
    value: str
    detail: str
    tone: Tone = "none"


@dataclass(frozen=True)
class Verdict:
    """The headline."""

    tone: Tone
    headline: str
    sentences: tuple[str, ...]
    tiles: tuple[Tile, ...]


def verdict(evidence: Evidence) -> Verdict:
    """The headline of a run, however far it is."""
    if evidence.newest is None:
        return _not_yet(evidence)
    policy = evidence.newest.result.policy
    rewards = _comparisons(evidence, evidence.reward)
    judged = {judge: _comparisons(evidence, judge) for judge in evidence.judges}
    tone, said = headline(rewards)
    costly = [judge for judge, comparisons in judged.items() if _worst_loss(comparisons) > HIGH_PRICE]
    if costly and tone == "good":
        tone, said = "mixed", f"{said.removesuffix('.')}, at a high price."
    sentences = [_gains(rewards, policy), *(_loss(judge, found) for judge, found in judged.items() if found)]
    if costly:
        sentences.append(f"More than {percent(HIGH_PRICE)} of what a judge saw before is gone: look at the pictures.")
    return Verdict(tone, said, (*sentences, *_behind(evidence, policy)), _tiles(evidence, rewards, judged))


def turning_words(evidence: Evidence) -> str:
    """Where the run turned, in a sentence; or that it did not, and what that says."""
    if evidence.newest is None:
        return "Not run: no trained policy has been evaluated."
    if not evidence.judges:
        return "No judge looked on, so that nothing can be said about what the reward cost."
    turn = evidence.turning_point
    if turn is None:
        return (
            "No turning point: up to the newest evaluation no judge stays significantly below the base on held-out "
            "prompts while the reward rises."
        )
    who = _listed([f"the {_name(judge)}" for judge in turn.judges])
    said = (
        f"The turning point is policy {turn.policy}, after {evidence.queries(turn.policy):,} reward queries: from "
        f"there on {who} lost significantly against the base on held-out prompts, while the reward still rose."
    )
    return said if turn.confirmed else f"{said} It is the newest evaluation: the next one may take it back."


def _not_yet(evidence: Evidence) -> Verdict:
    trained = len(evidence.iterations)
    tiles = (Tile("reward queries", f"{evidence.campaign.reward_queries:,}", f"{trained} iterations"),)
    if not trained:
        baseline = "The base is evaluated." if evidence.evaluations else "Nothing is evaluated either."
        return Verdict("none", "Nothing has been trained yet.", (baseline,), tiles)
    first, last = evidence.iterations[0], evidence.iterations[-1]
    batch = tuple(facts.result.metrics.get("reward_mean") for facts in (first, last))
    said = [
        f"{trained} iterations are trained, and no trained policy is evaluated: whether it learned cannot be said yet."
    ]
    if None not in batch:
        said.append(f"The batch reward went from {batch[0]:.3g} to {batch[1]:.3g}, on other prompts and other noise.")
    return Verdict("none", "Not evaluated yet.", tuple(said), tiles)


def headline(rewards: dict[str, ScorerComparison]) -> tuple[Tone, str]:
    """From the sign and size of the intervals' ends."""
    held_out, seen = rewards.get(HELD_OUT), rewards.get("seen")
    deciding = held_out or next(iter(rewards.values()))
    if deciding.reference_std == 0:
        return "none", "The base's pictures all have the same reward: no gain can be measured."
    if deciding.gain.high < 0:
        return "bad", "It got worse."
    if deciding.gain.low > CLEAR:
        return "good", f"It learned{', and it carries over to prompts it was never trained on' if held_out else ''}."
    if deciding.gain.low > 0:
        return "good", f"It learned a little{', on prompts it was never trained on too' if held_out else ''}."
    if held_out and seen and seen.gain.low > 0:
        return "mixed", "It learned its training prompts; whether that carries over is not certain."
    return "mixed", "No certain change yet."


def _gains(rewards: dict[str, ScorerComparison], policy: int) -> str:
    words = reward_words(next(iter(rewards.values())).scorer)
    parts = [
        f"{signed(c.gain.mean)}{SPACE}sd on {split_words(split).name} prompts {bracketed(c.gain)}"
        for split, c in rewards.items()
    ]
    return (
        f"On the same prompts and the same noise, policy {policy} changed its reward, {words.name}, by "
        f"{_listed(parts)}. 1 sd is how much the base's pictures differ among themselves; brackets hold the interval."
    )


def _loss(judge: str, comparisons: dict[str, ScorerComparison]) -> str:
    split, c = _deciding(comparisons)
    where = split_words(split).name
    who = f"The {_name(judge)}, which the reward never sees,"
    certain = "" if c.difference.low > 0 or c.difference.high < 0 else ", which may be chance"
    if not _is_share(c):
        return f"{who} went from {c.reference_mean:.3g} to {c.candidate_mean:.3g} on {where} pictures{certain}."
    lost = _loss_of(c)
    change = f"{'lost' if lost > 0 else 'gained'} {percent(abs(lost))} of its score{certain}"
    return (
        f"{who} was right about {percent(c.reference_mean)} of the {where} pictures before and "
        f"{percent(c.candidate_mean)} after: it {change if abs(lost) >= 0.005 else 'lost nothing'}."
    )


def _behind(evidence: Evidence, policy: int) -> list[str]:
    """What the reader should know about which policy this is."""
    said = []
    if (newest := len(evidence.iterations)) > policy:
        said.append(f"Policy {newest} is the newest and not evaluated: these numbers are of policy {policy}.")
    gains = {facts.result.policy: c.gain.mean for facts, c in evidence.compared(evidence.reward, HELD_OUT)}
    best = max((k for k in gains if k), key=lambda k: (gains[k], k), default=policy)
    if best != policy:
        said.append(f"Policy {best} had a higher held-out gain, {signed(gains[best])} sd.")
    return said


def _tiles(
    evidence: Evidence, rewards: dict[str, ScorerComparison], judged: dict[str, dict[str, ScorerComparison]]
) -> tuple[Tile, ...]:
    assert evidence.newest is not None
    level = percent(evidence.campaign.config.evaluation.confidence)
    result = evidence.newest.result
    shown = [split for split in (HELD_OUT, "seen") if split in rewards] or list(rewards)[:2]
    tiles = [
        Tile(
            f"{split_words(split).name} gain",
            f"{signed(rewards[split].gain.mean)} sd",
            f"{level}: {signed(rewards[split].gain.low)} to {signed(rewards[split].gain.high)}",
            _tone(rewards[split]),
        )
        for split in shown
    ]
    tiles += [_judge_tile(judge, comparisons) for judge, comparisons in judged.items() if comparisons]
    tiles.append(Tile("distance to base", f"{result.kl_to_base:.1f} nats", "KL along the path"))
    tiles.append(Tile("reward queries", f"{evidence.queries(result.policy):,}", f"in {result.policy} iterations"))
    return tuple(tiles)


def _judge_tile(judge: str, comparisons: dict[str, ScorerComparison]) -> Tile:
    split, c = _deciding(comparisons)
    lost = _loss_of(c)
    tone: Tone = "bad" if lost > HIGH_PRICE else "mixed" if c.difference.high < 0 else "none"
    if _is_share(c):
        value = f"{c.reference_mean * 100:.0f} → {percent(c.candidate_mean)}"
    else:
        value = f"{c.reference_mean:.3g} → {c.candidate_mean:.3g}"
    return Tile(f"{_name(judge)}, {split_words(split).name}", value, "before → after", tone)


def _tone(c: ScorerComparison) -> Tone:
    return "good" if c.difference.low > 0 else "bad" if c.difference.high < 0 else "mixed"


def _comparisons(evidence: Evidence, scorer: str) -> dict[str, ScorerComparison]:
    assert evidence.newest is not None
    found = {split: evidence.newest.result.comparison(scorer, split) for split in evidence.splits}
    return {split: comparison for split, comparison in found.items() if comparison is not None}


def _deciding(comparisons: dict[str, ScorerComparison]) -> tuple[str, ScorerComparison]:
    split = HELD_OUT if HELD_OUT in comparisons else next(iter(comparisons))
    return split, comparisons[split]


def _worst_loss(comparisons: dict[str, ScorerComparison]) -> float:
    return max((_loss_of(c) for c in comparisons.values()), default=0.0)


def _loss_of(c: ScorerComparison) -> float:
    """Share of the base's score that is lost; 0 for a score that is not a share of right answers."""
    return -c.difference.mean / c.reference_mean if _is_share(c) and c.reference_mean > 0 else 0.0


def _is_share(c: ScorerComparison) -> bool:
    return min(c.reference_mean, c.candidate_mean) >= 0 and max(c.reference_mean, c.candidate_mean) <= 1


def _name(judge: str) -> str:
    return judge.replace("_", " ")


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
