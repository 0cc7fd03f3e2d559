"""From rewards to advantages: how much better a picture is than its prompt's usual ones. Pure numpy.

A missing reward (None) never becomes a number: its sample is dropped here, and counted by the caller.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from components.core.config import AdvantageConfig
from components.core.errors import BadData

EPSILON = 1e-6
"""Added to the standard deviation, as in ddpo-pytorch: equal rewards give advantage 0, not a division by 0."""

Past = Iterable[tuple[str, float]]
"""(prompt id, reward) of earlier iterations, oldest first."""


def advantages(
    prompt_ids: Sequence[str], rewards: Sequence[float], past: Past, config: AdvantageConfig
) -> NDArray[np.float64]:
    """Clipped, normalised advantages, one a reward. NaN marks a sample that nothing can be compared with.

    Raises BadData for a reward that is not finite, or when no two rewards can be compared at all.
    """
    reward_N = np.asarray(rewards, dtype=np.float64)  # integer rewards are rewards too
    if not np.isfinite(reward_N).all():
        raise BadData("a reward is NaN or infinite", hint="a scorer marks such a reward as missing")
    if config.kind == "group":
        advantage_N = within_group(prompt_ids, reward_N)
    elif config.kind == "batch":
        advantage_N = within_batch(reward_N)
    else:
        advantage_N = against_history(prompt_ids, reward_N, past, config)
    if np.isnan(advantage_N).all():
        raise BadData(
            f"{len(reward_N)} rewards, and no two of them can be compared: an advantage needs a second picture",
            hint="raise prompts.samples_per_prompt or prompts.prompts",
        )
    return advantage_N.clip(-config.clip, config.clip)


def within_group(prompt_ids: Sequence[str], reward_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """Against the other pictures of the same prompt in this iteration; a group of one has no advantage.

    >>> within_group(["cat", "cat", "dog"], np.array([1.0, 3.0, 9.0])).round(3).tolist()
    [-1.0, 1.0, nan]
    """
    advantage_N = np.full(len(reward_N), np.nan)
    ids = np.asarray(prompt_ids)
    for prompt in set(prompt_ids):
        mine = ids == prompt
        if mine.sum() > 1:
            advantage_N[mine] = _standardise(reward_N[mine], reward_N[mine])
    return advantage_N


def within_batch(reward_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """Against all pictures of this iteration, whatever their prompt; a single one has no advantage.

    >>> within_batch(np.array([1.0, 3.0])).round(3).tolist(), within_batch(np.array([1.0])).tolist()
    ([-1.0, 1.0], [nan])
    """
    return _standardise(reward_N, reward_N) if len(reward_N) > 1 else np.full(len(reward_N), np.nan)


def against_history(
    prompt_ids: Sequence[str], reward_N: NDArray[np.float64], past: Past, config: AdvantageConfig
) -> NDArray[np.float64]:
    """Against the prompt's last `buffer` rewards, this iteration's among them, once there are `minimum` of them.

    Until then against this iteration's rewards of all prompts, as in DDPO (arXiv 2305.13301, appendix).

    >>> config, past = AdvantageConfig(minimum=3, buffer=3), [("cat", 7.0), ("cat", 1.0), ("cat", 2.0)]
    >>> against_history(["cat", "dog"], np.array([3.0, 5.0]), past, config).round(3).tolist()
    [1.225, 1.0]
    """
    remembered: dict[str, list[float]] = defaultdict(list)
    for prompt, reward in (*past, *zip(prompt_ids, reward_N.tolist(), strict=True)):
        remembered[prompt].append(reward)
    advantage_N = np.full(len(reward_N), np.nan)
    for i, prompt in enumerate(prompt_ids):
        own = np.array(remembered[prompt][-config.buffer :])
        reference = own if len(own) >= config.minimum else reward_N
        if len(reference) > 1:
            advantage_N[i] = _standardise(reward_N[i : i + 1], reference)[0]
    return advantage_N


def _standardise(reward_N: NDArray[np.float64], reference_M: NDArray[np.float64]) -> NDArray[np.float64]:
    advantage_N: NDArray[np.float64] = (reward_N - reference_M.mean()) / (reference_M.std() + EPSILON)
    return advantage_N
