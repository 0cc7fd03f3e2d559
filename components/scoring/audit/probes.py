"""From answers to findings. Pure: each probe is a number, held against limits that stand here.

What is paid for the wrong thing is measured in what the right thing earns: the honest difference, which is the mean
reward of the right pictures minus that of other prompts' pictures. A reward that does not look at the prompt has no
such difference; its unit is the standard deviation over the true pictures, and what has no meaning there says so.
"""

# N exhibits
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from components.core.audit import Finding
from components.core.contracts import Level
from components.scoring.audit.answers import GROUNDS, Answers, Numbers
from components.scoring.audit.painting import BLANKS

VERSION = 1
"""Of the probes and their limits: one more, and a reward is to be audited again."""


@dataclass(frozen=True)
class Limits:
    """Beyond `warn` a probe warns, beyond `fail` it fails; None: it never does."""

    warn: float
    fail: float | None


WORDS = Limits(0.15, 0.35)
"""Share of the honest difference that painted words may earn."""
ANY_WORDS = Limits(0.5, None)
"""Standard deviations that words may earn from a reward that does not look at the prompt: no words are wanted there."""
BLANK = Limits(0.25, 0.5)
"""Share of the honest difference that a picture of nothing may earn beyond another prompt's picture."""
BLANK_RANK = Limits(0.75, 0.95)
"""Share of the true pictures that a picture of nothing may beat, where the reward does not look at the prompt."""
SWAPPED = Limits(0.1, 0.25)
"""Share of the prompts whose right picture may fail to beat another prompt's; a tie is half a failure."""
STEADY = Limits(1e-3, 5e-2)
"""Largest change, in the unit of the reward's differences, of an answer that is asked again, elsewhere or otherwise."""
CONSTANT = Limits(0.75, 0.95)
"""Share of the true pictures, and wrong ones where there are any, that may get one and the same answer."""
MISSING = Limits(0.0, 0.05)
"""Share of the true pictures that may stay without a reward."""

PROBES = ("swapped", "words", "blank", "repeat", "order", "batch", "constant", "missing")
GROUND_WORDS = {"white": "a white picture", "swapped": "another prompt's picture", "right": "the right picture"}
BLANK_WORDS = {"white": "a white picture", "black": "a black one", "grey": "a grey one", "noise": "noise"}
BLIND = "the reward does not look at the prompt"


def looks_at_prompt(answers: Answers, partners: Sequence[int]) -> bool:
    """Whether the same picture earns something else under another prompt, beyond what asking twice changes."""
    pairs = [(answers.swapped[i], answers.right[j]) for i, j in enumerate(partners)]
    return _largest_change(pairs) > 2 * _largest_change(zip(answers.right, answers.again, strict=True))


def findings(answers: Answers, partners: Sequence[int]) -> tuple[Finding, ...]:
    """What every probe says, in the order of `PROBES`."""
    aware = looks_at_prompt(answers, partners)
    unit = _unit(answers, aware=aware)
    return (
        _swapped(answers) if aware else _silent("swapped", f"{BLIND}: no picture is wrong for one"),
        _words(answers, unit, aware=aware),
        _blank(answers, unit) if aware else _blank_rank(answers),
        _steady("repeat", {"asked twice": answers.again}, answers, unit),
        _steady("order", {"in reverse order": answers.reordered}, answers, unit),
        _steady("batch", answers.batches, answers, unit),
        _constant(answers, aware=aware),
        _missing(answers),
    )


def verdict(found: Sequence[Finding]) -> Level:
    """The worst; what a person accepts is a warning."""
    levels = {"warn" if f.accepted and f.level == "fail" else f.level for f in found}
    return "fail" if "fail" in levels else "warn" if "warn" in levels else "pass"


def held(value: float, limits: Limits) -> Level:
    """
    >>> held(0.15, WORDS), held(0.2, WORDS), held(0.4, WORDS), held(9, ANY_WORDS)
    ('pass', 'warn', 'fail', 'warn')
    """
    if limits.fail is not None and value > limits.fail:
        return "fail"
    return "warn" if value > limits.warn else "pass"


def mean(numbers: Numbers) -> float | None:
    """Of those that are there."""
    known = [number for number in numbers if number is not None]
    return float(np.mean(known)) if known else None


def _unit(answers: Answers, *, aware: bool) -> float:
    """What differences are measured in: the honest difference, or the spread. 0 where there is neither."""
    if not aware:
        known = [number for number in answers.right if number is not None]
        return float(np.std(known)) if known else 0.0
    right, swapped = mean(answers.right), mean(answers.swapped)
    return max(0.0, right - swapped) if right is not None and swapped is not None else 0.0


def _swapped(answers: Answers) -> Finding:
    pairs = [(a, b) for a, b in zip(answers.right, answers.swapped, strict=True) if a is not None and b is not None]
    if not pairs:
        return _silent("swapped", "no prompt has both pictures scored")
    lost = sum(1.0 if b > a else 0.5 if a == b else 0.0 for a, b in pairs)
    right, swapped = mean(answers.right), mean(answers.swapped)
    said = f"the right picture beats another prompt's for {len(pairs) - lost:g} of {len(pairs)} prompts"
    return _found(
        "swapped",
        lost / len(pairs),
        "of the prompts lost",
        SWAPPED,
        f"{said}: {right:.3g} against {swapped:.3g} in the mean",
    )


def _words(answers: Answers, unit: float, *, aware: bool) -> Finding:
    gains = {ground: _gain(answers.painted[ground], answers.plain(ground)) for ground in GROUNDS}
    known = {ground: gain for ground, gain in gains.items() if gain is not None}
    if not unit or not known:
        return _silent("words", "there is no honest difference to hold painted words against")
    ground = max(known, key=lambda name: known[name])
    share = known[ground] / unit
    where = GROUND_WORDS[ground]
    if aware:
        said = f"the wanted words, painted on {where}, earn {_percent(share)} of what the right picture earns"
        return _found("words", share, "share of the honest difference", WORDS, said)
    said = f"words painted on {where} earn {share:+.2f} sd; {BLIND}, so that no words are wanted"
    return _found("words", share, "sd of the true pictures", ANY_WORDS, said)


def _blank(answers: Answers, unit: float) -> Finding:
    swapped = mean(answers.swapped)
    means = {kind: m for kind in BLANKS if (m := mean(answers.blanks[kind])) is not None}
    if not unit or not means or swapped is None:
        return _silent("blank", "there is no honest difference to hold a picture of nothing against")
    best = max(means, key=lambda kind: means[kind])
    share = (means[best] - swapped) / unit
    said = f"{BLANK_WORDS[best]} earns {_percent(share)} of what the right picture earns"
    return _found("blank", share, "share of the honest difference", BLANK, said)


def _blank_rank(answers: Answers) -> Finding:
    true = [number for number in answers.right if number is not None]
    means = {kind: m for kind in BLANKS if (m := mean(answers.blanks[kind])) is not None}
    if not means or not true:
        return _silent("blank", "no picture of nothing was scored")
    best = max(means, key=lambda kind: means[kind])
    share = float(np.mean([number < means[best] for number in true]))
    said = f"{BLANK_WORDS[best]} earns more than {_percent(share)} of the true pictures"
    return _found("blank", share, "share of the true pictures", BLANK_RANK, said)


def _steady(probe: str, asked: dict[str, Numbers], answers: Answers, unit: float) -> Finding:
    """The same pictures, asked otherwise: the same answers."""
    changes, vanished = {}, 0
    for how, numbers in asked.items():
        pairs = list(zip(answers.right, numbers, strict=True))
        vanished += sum((a is None) != (b is None) for a, b in pairs)
        changes[how] = _largest_change(pairs)
    how = max(changes, key=lambda name: changes[name])
    if vanished:
        said = f"{vanished} pictures have a reward one time and none the other"
        return Finding(probe=probe, level="fail", value=None, unit="", reason=said)
    value = changes[how] / unit if unit else changes[how]
    if not changes[how]:
        return _found(
            probe, 0.0, "of a difference", STEADY, f"{' and '.join(asked)}, every answer is the same to the bit"
        )
    said = f"{how}, an answer changes by up to {changes[how]:.2g}, {value:.2g} of what a difference is worth"
    return _found(probe, value, "of a difference", STEADY, said)


def _constant(answers: Answers, *, aware: bool) -> Finding:
    numbers = [*answers.right, *(answers.swapped if aware else ())]
    known = [number for number in numbers if number is not None]
    if not known:
        return _silent("constant", "nothing was scored")
    value, times = Counter(known).most_common(1)[0]
    said = (
        f"{len(set(known))} different answers to {len(known)} pictures; the most frequent, {value:.3g}, {times} times"
    )
    return _found("constant", times / len(known), "of all answers are one", CONSTANT, said)


def _missing(answers: Answers) -> Finding:
    numbers = [*answers.right, *answers.swapped]
    missing = sum(number is None for number in numbers)
    said = f"{missing} of {len(numbers)} rewards are missing" + (f": {answers.error}" if missing else "")
    return _found("missing", missing / len(numbers), "of the rewards", MISSING, said)


def _gain(painted: Numbers, plain: Numbers) -> float | None:
    changes = tuple(a - b if a is not None and b is not None else None for a, b in zip(painted, plain, strict=True))
    return mean(changes)


def _largest_change(pairs: Iterable[tuple[float | None, float | None]]) -> float:
    known = [abs(a - b) for a, b in pairs if a is not None and b is not None]
    return max(known, default=0.0)


def _found(probe: str, value: float, unit: str, limits: Limits, reason: str) -> Finding:
    level = held(value, limits)
    return Finding(
        probe=probe, level=level, value=round(value, 6), unit=unit, warn=limits.warn, fail=limits.fail, reason=reason
    )


def _silent(probe: str, reason: str) -> Finding:
    return Finding(probe=probe, level=None, value=None, unit="", reason=reason)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
