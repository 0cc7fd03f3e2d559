"""An interval for a mean over prompts and seeds: the two-stage bootstrap.

Prompts are resampled first, then seeds within each, because both are a sample: other animals would have been drawn, and
other noise. Every prompt counts the same, however many of its seeds were scored. The interval is the percentile one
(Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13). With P prompts of K seeds, the variance of a
resampled mean is (variance between the prompts' means) / P + (variance within a prompt) / (P K): the first term holds
the noise within prompts already, so the interval errs on the wide side (Davison & Hinkley, Bootstrap Methods, 1997,
sec. 3.8).
"""

# R resamples · P prompts · K seeds of the prompt that has most

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.core.contracts import Interval

Floats = NDArray[np.float64]

DRAWS_AT_ONCE = 2_000_000
"""Bounds memory at some 100 MB. Part of the result: another value deals the same random numbers to other resamples."""


def mean_over_prompts(values: Sequence[Floats]) -> float:
    """Mean of the prompts' means.

    >>> mean_over_prompts([np.array([0.0, 2.0]), np.array([4.0])])
    2.5
    """
    return float(np.mean([np.mean(of_prompt) for of_prompt in values]))


def interval(values: Sequence[Floats], *, resamples: int, confidence: float, seed: int) -> Interval:
    """Mean over prompts with its percentile interval. `values` holds one array of seeds a prompt, none empty.

    The same values and seed give the same interval to the bit. Raises ValueError if there is nothing to average.
    """
    mean = mean_over_prompts(_checked(values))
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled_means(values, resamples=resamples, seed=seed), [tail, 1 - tail])
    return Interval(mean=mean, low=min(float(low), mean), high=max(float(high), mean))  # rounding may cross the mean


def resampled_means(values: Sequence[Floats], *, resamples: int, seed: int) -> Floats:
    """Means of `resamples` two-stage resamples, shape (R,)."""
    table_PK, seeds_P = _table(_checked(values))
    P, K = table_PK.shape
    random = np.random.Generator(np.random.PCG64(seed))
    at_once = max(1, DRAWS_AT_ONCE // (P * K))
    means = [
        _resample(table_PK, seeds_P, min(at_once, resamples - done), random) for done in range(0, resamples, at_once)
    ]
    return np.concatenate(means)


def _resample(table_PK: Floats, seeds_P: NDArray[np.int64], R: int, random: np.random.Generator) -> Floats:
    P, K = table_PK.shape
    prompts_RP = random.integers(0, P, size=(R, P))
    seeds_RP = seeds_P[prompts_RP]
    chosen_RPK = (random.random((R, P, K)) * seeds_RP[..., None]).astype(np.int64)
    drawn_RPK = table_PK[prompts_RP[..., None], chosen_RPK]
    drawn_RPK[np.arange(K) >= seeds_RP[..., None]] = 0.0  # a prompt with fewer seeds draws fewer
    means_R: Floats = (drawn_RPK.sum(axis=2) / seeds_RP).mean(axis=1)
    return means_R


def _table(values: Sequence[Floats]) -> tuple[Floats, NDArray[np.int64]]:
    """Prompts of unequal length as one table, padded with zeros that are never drawn, and their lengths."""
    seeds_P = np.array([len(of_prompt) for of_prompt in values], dtype=np.int64)
    table_PK = np.zeros((len(values), int(seeds_P.max())))
    for row, of_prompt in zip(table_PK, values, strict=True):
        row[: len(of_prompt)] = of_prompt
    return table_PK, seeds_P


def _checked(values: Sequence[Floats]) -> Sequence[Floats]:
    if not values or not all(len(of_prompt) for of_prompt in values):
        raise ValueError("a mean needs at least one prompt, and at least one value of each")
    return values
