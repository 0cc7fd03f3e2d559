"""How different pictures are in a judge's eyes: of one prompt from seed to seed, and from prompt to prompt.

A policy that draws one picture for all loses both; one that draws the same cat at every seed loses the first only.
"""

# P prompts · K pictures of a prompt · D embedding

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.evaluation.bootstrap import Floats

WITHIN, BETWEEN = "within_prompt", "between_prompts"


def within_prompt(prompts: Sequence[Floats]) -> float | None:
    """Mean cosine distance between two pictures of one prompt, a prompt counting as much as any other.

    `prompts` holds one (K, D) array each. None where no prompt has two pictures.

    >>> within_prompt([np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])])
    0.5
    """
    distances = [_mean_distance(_unit(pictures)) for pictures in prompts if len(pictures) > 1]
    return float(np.mean(distances)) if distances else None


def between_prompts(prompts: Sequence[Floats]) -> float | None:
    """Mean cosine distance between the mean embeddings of two prompts. None for fewer than two prompts.

    >>> between_prompts([np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])])
    1.0
    """
    if len(prompts) < 2:
        return None
    return _mean_distance(_unit(np.array([_unit(pictures).mean(axis=0) for pictures in prompts])))


def _mean_distance(unit_ND: Floats) -> float:
    """Over all pairs of rows: the sum of all cosines is the square of the summed vector, less N on the diagonal."""
    N = len(unit_ND)
    total = unit_ND.sum(axis=0)
    return float(1 - (total @ total - np.einsum("nd,nd->", unit_ND, unit_ND)) / (N * (N - 1)))


def _unit(vectors_ND: Floats) -> Floats:
    length_N1 = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return vectors_ND / np.where(length_N1 > 0, length_N1, 1.0)
