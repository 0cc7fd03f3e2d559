"""From rewards to weights of pictures, for the algorithms that denoise. Pure numpy; a mean weight is 1, or 0 or 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.core.config import TrainingConfig, WeightingConfig
from components.core.errors import BadData
from components.training.advantage import EPSILON

Vector = NDArray[np.float64]


def weights(prompt_ids: Sequence[str], rewards: Sequence[float], config: TrainingConfig) -> Vector:
    """One weight a reward, by the config's algorithm. NaN marks a sample that nothing can be compared with.

    Raises BadData for a reward that is not finite, or when no two rewards can be compared at all.
    """
    reward_N = np.asarray(rewards, dtype=np.float64)
    if not np.isfinite(reward_N).all():
        raise BadData("a reward is NaN or infinite", hint="a scorer marks such a reward as missing")
    if config.algorithm == "rwr":
        weight_N = exponential(prompt_ids, reward_N, config.weighting)
    elif config.algorithm == "rwr_sparse":
        weight_N = top(prompt_ids, reward_N, config.weighting)
    else:
        weight_N = best(prompt_ids, reward_N)
    if np.isnan(weight_N).all():
        raise BadData(
            f"{len(reward_N)} rewards, and no two of them can be compared: a winner needs a second picture",
            hint="raise prompts.samples_per_prompt",
        )
    return weight_N


def exponential(prompt_ids: Sequence[str], reward_N: Vector, config: WeightingConfig) -> Vector:
    """N softmax(reward / temperature), over the iteration or within each prompt: its mean is 1 there.

    In units of sd the temperature counts the standard deviation, over the iteration, of what is compared: rewards, or
    rewards less their prompt's mean. A picture alone of its prompt has no weight there.

    >>> exponential(["cat", "cat"], np.array([0.0, np.log(3)]), WeightingConfig(unit="reward")).round(3).tolist()
    [0.5, 1.5]
    """
    group_N = np.asarray(prompt_ids) if config.per_prompt else np.zeros(len(reward_N))
    centred_N, weight_N = np.full(len(reward_N), np.nan), np.full(len(reward_N), np.nan)
    groups = [mine for group in np.unique(group_N) if (mine := group_N == group).sum() > 1]
    for mine in groups:
        centred_N[mine] = reward_N[mine] - reward_N[mine].mean()
    if not groups:
        return weight_N
    unit = np.nanstd(centred_N) + EPSILON if config.unit == "sd" else 1.0
    for mine in groups:
        weight_N[mine] = mine.sum() * _softmax(centred_N[mine] / (config.temperature * unit))
    return weight_N


def top(prompt_ids: Sequence[str], reward_N: Vector, config: WeightingConfig) -> Vector:
    """1 for the top share of each prompt, rounded up, 0 for the rest. Of equal rewards the first drawn wins.

    >>> top(["cat"] * 4 + ["dog"] * 2, np.array([1, 4, 3, 2, 9, 8.0]), WeightingConfig(top_share=0.5)).tolist()
    [0.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    """
    return _first(prompt_ids, reward_N, {p: config.winners(n) for p, n in _sizes(prompt_ids).items()})


def best(prompt_ids: Sequence[str], reward_N: Vector) -> Vector:
    """RAFT (arXiv 2304.06767): 1 for the best of each prompt, 0 for the rest; a picture alone won against nobody.

    >>> best(["cat", "cat", "dog"], np.array([1.0, 3.0, 9.0])).tolist()
    [0.0, 1.0, nan]
    """
    sizes = _sizes(prompt_ids)
    weight_N = _first(prompt_ids, reward_N, dict.fromkeys(sizes, 1))
    weight_N[[sizes[prompt] < 2 for prompt in prompt_ids]] = np.nan
    return weight_N


def effective_samples(weight_N: Vector) -> float:
    """How many equal weights would be as noisy, (sum w)^2 / sum w^2: N where all are equal, 1 where one has them all.

    >>> effective_samples(np.ones(7)), effective_samples(np.array([0.0, 4.0, 0.0, 0.0]))
    (7.0, 1.0)
    """
    return float(weight_N.sum() ** 2 / (weight_N**2).sum())


def _sizes(prompt_ids: Sequence[str]) -> dict[str, int]:
    ids, counts = np.unique(np.asarray(prompt_ids), return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def _first(prompt_ids: Sequence[str], reward_N: Vector, winners: dict[str, int]) -> Vector:
    """1 for so many of each prompt's highest rewards."""
    weight_N, ids = np.zeros(len(reward_N)), np.asarray(prompt_ids)
    for prompt, count in winners.items():
        mine = np.flatnonzero(ids == prompt)
        weight_N[mine[np.argsort(-reward_N[mine], kind="stable")[:count]]] = 1
    return weight_N


def _softmax(score_N: Vector) -> Vector:
    exponential_N = np.exp(score_N - score_N.max())
    share_N: Vector = exponential_N / exponential_N.sum()
    return share_N
