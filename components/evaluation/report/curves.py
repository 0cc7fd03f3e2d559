"""The charts: what is measured, over reward queries.

Step k of every curve is policy k: the batch reward there is of the pictures that iteration k drew from it, and an
evaluation there is its own. So the x axis of both is what policy k had cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from components.core.contracts import ScorerComparison
from components.core.records import HELD_OUT
from components.evaluation.report.evidence import Evidence
from components.evaluation.report.figure import Chart, Mark, Point, Series
from components.evaluation.report.guard_view import best_words
from components.evaluation.report.vocabulary import percent, reward_words, split_words

SEEN_COLOUR, HELD_OUT_COLOUR, OTHER_COLOURS, BATCH_COLOUR, KL_COLOUR = 1, 2, (3, 4, 5), 6, 3
JUDGE_COLOURS = (1, 4, 3, 5)


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
    return [
        Chart(
            "max |ratio − 1|",
            f"before the first update; the sampler and the trainer agree below {tolerance:g}",
            (_metric(evidence, "ratio_max_deviation"),),
            rules=((tolerance, "limit"),),
            small=True,
            rule_as_floor=True,
        ),
        *_of_the_algorithm(evidence),
        Chart("gradient norm", "before it is scaled down", (_metric(evidence, "grad_norm"),), small=True),
    ]


def _of_the_algorithm(evidence: Evidence) -> list[Chart]:
    """DDPO has ratios, RWR and RAFT have weights."""
    if not evidence.campaign.config.training.policy_gradient:
        even, error = (_metric(evidence, name) for name in ("effective_samples", "denoising_error"))
        return [
            Chart("effective samples", "pictures that the weights are spread over", (even,), small=True),
            Chart("denoising error", "of the pictures trained on, unweighted", (error,), small=True),
        ]
    widths = [
        facts.result.metrics["clip_range"] for facts in evidence.iterations if "clip_range" in facts.result.metrics
    ]
    beyond = f"ratios beyond ±{widths[-1]:g}" if widths else "no ratio is clipped"
    return [
        Chart("clip fraction", beyond, (_metric(evidence, "clip_fraction"),), small=True, percent=True),
        Chart("approximate KL", "of one iteration's update", (_metric(evidence, "approx_kl"),), small=True),
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
        tuple(_by_split(evidence, evidence.reward, _gained))
        if evidence.newest  # the base has no gain over itself
        else (),
        rules=((0.0, "base"),),
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
        rules=((0.0, "base"),),
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


def over_optimisation(evidence: Evidence) -> tuple[tuple[Chart, ...], tuple[Mark, ...]]:
    """Held-out gain of the reward above what the judges keep of their base score, and what is marked on both.

    A judge's score is shown as a share of the base's, which is the unit of the guard's limits; a judge whose base score
    is not above 0 has no such share, and is left out.
    """
    if not evidence.newest:
        return (), ()
    gains = Chart(
        "Held-out gain of the reward",
        "",
        (_over(evidence, evidence.reward, "reward", HELD_OUT_COLOUR, _gained),),
        rules=((0.0, "base"),),
        axis="gain, sd of the base",
    )
    limits = evidence.campaign.config.guard
    kept = Chart(
        "Judges' held-out score, share of the base's",
        "",
        tuple(
            _over(evidence, judge, judge.replace("_", " "), JUDGE_COLOURS[number % len(JUDGE_COLOURS)], _kept)
            for number, judge in enumerate(evidence.judges)
            if all(c.reference_mean > 0 for _, c in evidence.compared(judge, HELD_OUT))
        ),
        rules=((1 - limits.judge_warn, "guard warns"), (1 - limits.judge_fail, "guard fails")),
        percent=True,
        axis="judges, share of base",
    )
    return tuple(chart for chart in (gains, kept) if not chart.is_empty), _marks(evidence)


def _over(
    evidence: Evidence,
    scorer: str,
    name: str,
    colour: int,
    measure: Callable[[ScorerComparison], tuple[float, float, float]],
) -> Series:
    found = evidence.compared(scorer, HELD_OUT)
    points = tuple(Point(evidence.queries(facts.result.policy), *measure(c)) for facts, c in found)
    return Series(name, colour, points, measured=True)


def _gained(c: ScorerComparison) -> tuple[float, float, float]:
    return c.gain.mean, c.gain.low, c.gain.high


def _kept(c: ScorerComparison) -> tuple[float, float, float]:
    whole = c.reference_mean
    return c.candidate_mean / whole, (whole + c.difference.low) / whole, (whole + c.difference.high) / whole


def _marks(evidence: Evidence) -> tuple[Mark, ...]:
    turn, failed, best = evidence.turning_point, evidence.failed, evidence.best
    found = [
        ("turning point", turn.policy if turn else None, "mixed"),
        ("guard failed", failed.policy if failed else None, "bad"),
        (best_words(evidence), best or None, "good"),
    ]
    return tuple(
        Mark(evidence.queries(policy), f"{name}: policy {policy}", colour)
        for name, policy, colour in found
        if policy is not None
    )
