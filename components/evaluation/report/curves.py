"""The charts: what is measured, over reward queries.

Step k of every curve is policy k: the batch reward there is of the pictures that iteration k drew from it, and an
evaluation there is its own. So the x axis of both is what policy k had cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from components.core.contracts import ScorerComparison
from components.core.records import HELD_OUT
from components.evaluation.report.chart import Chart, Point, Series
from components.evaluation.report.evidence import Evidence
from components.evaluation.report.vocabulary import percent, reward_words, split_words

SEEN_COLOUR, HELD_OUT_COLOUR, OTHER_COLOURS, BATCH_COLOUR, KL_COLOUR = 1, 2, (3, 4, 5), 6, 3


def colour_of(split: str, evidence: Evidence) -> int:
    """A split's colour, the same in every chart."""
    if split in ("seen", HELD_OUT):
        return SEEN_COLOUR if split == "seen" else HELD_OUT_COLOUR
    others = [s for s in evidence.splits if s not in ("seen", HELD_OUT)]
    return OTHER_COLOURS[others.index(split) % len(OTHER_COLOURS)]


def main_charts(evidence: Evidence) -> list[Chart]:
    """Reward while training, paired gain, one chart a judge, distance to the base."""
    return [_batch_reward(evidence), _gain(evidence), *(_judge(evidence, j) for j in evidence.judges), _kl(evidence)]


def diagnostics(evidence: Evidence) -> list[Chart]:
    """Health of the updates, an iteration at a time."""
    tolerance = evidence.campaign.config.training.ratio_tolerance
    clip = evidence.campaign.config.training.clip_range
    return [
        Chart(
            "max |ratio − 1|",
            f"before the first update; the sampler and the trainer agree below {tolerance:g}",
            (_metric(evidence, "ratio_max_deviation"),),
            rule=(tolerance, "limit"),
            small=True,
            rule_as_floor=True,
        ),
        Chart(
            "clip fraction", f"ratios beyond ±{clip:g}", (_metric(evidence, "clip_fraction"),), small=True, percent=True
        ),
        Chart("approximate KL", "of one iteration's update", (_metric(evidence, "approx_kl"),), small=True),
        Chart("gradient norm", "before it is scaled down", (_metric(evidence, "grad_norm"),), small=True),
    ]


def _metric(evidence: Evidence, name: str, series_name: str = "", colour: int = BATCH_COLOUR) -> Series:
    points = (
        Point(evidence.queries(facts.result.iteration), facts.result.metrics[name])
        for facts in evidence.iterations
        if name in facts.result.metrics
    )
    return Series(series_name, colour, tuple(points))


def _batch_reward(evidence: Evidence) -> Chart:
    words = reward_words(evidence.reward)
    points = []
    for facts in evidence.iterations:
        mean, sd = facts.result.metrics.get("reward_mean"), facts.result.metrics.get("reward_std", 0.0)
        if mean is not None:
            points.append(Point(evidence.queries(facts.result.iteration), mean, mean - sd, mean + sd))
    unit = f" in {words.unit}" if words.unit else ""
    return Chart(
        "Reward of the training batches",
        f"{words.name}{unit}, mean ± sd of each iteration's pictures; prompts and noise change every time",
        (Series("", BATCH_COLOUR, tuple(points)),),
    )


def _gain(evidence: Evidence) -> Chart:
    level = percent(evidence.campaign.config.evaluation.confidence)
    return Chart(
        "Paired gain over the base",
        f"in sd of the base's pictures, same prompts and noise, {level} interval",
        tuple(_by_split(evidence, evidence.reward, lambda c: (c.gain.mean, c.gain.low, c.gain.high)))
        if evidence.newest  # the base has no gain over itself
        else (),
        rule=(0.0, "base"),
    )


def _judge(evidence: Evidence, judge: str) -> Chart:
    compared = [c for split in evidence.splits for _, c in evidence.compared(judge, split)]
    share = bool(compared) and all(0 <= c.candidate_mean <= 1 for c in compared)

    def level(c: ScorerComparison) -> tuple[float, float, float]:
        low, high = c.reference_mean + c.difference.low, c.reference_mean + c.difference.high
        return (c.candidate_mean, max(low, 0.0), min(high, 1.0)) if share else (c.candidate_mean, low, high)

    return Chart(
        f"{judge.replace('_', ' ').capitalize()}, which the reward never sees",
        f"{'share of pictures it is right about' if share else 'mean score'}; the interval is that of the change",
        tuple(_by_split(evidence, judge, level)),
        percent=share,
    )


def _kl(evidence: Evidence) -> Chart:
    evaluations = evidence.evaluations if evidence.newest else ()
    evaluated = tuple(Point(evidence.queries(f.result.policy), f.result.kl_to_base) for f in evaluations)
    return Chart(
        "Distance to the base",
        "KL along the denoising path, in nats",
        (_metric(evidence, "kl_to_base", "training"), Series("evaluation", KL_COLOUR, evaluated, measured=True)),
        rule=(0.0, "base"),
    )


def _by_split(
    evidence: Evidence, scorer: str, measure: Callable[[ScorerComparison], tuple[float, float, float]]
) -> Iterator[Series]:
    """One series a split; `measure` gives value, low and high of a comparison."""
    for split in evidence.splits:
        points = tuple(
            Point(evidence.queries(facts.result.policy), *measure(comparison))
            for facts, comparison in evidence.compared(scorer, split)
        )
        yield Series(split_words(split).name, colour_of(split, evidence), points, measured=True)
