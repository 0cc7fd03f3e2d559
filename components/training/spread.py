"""Spread the samples of every update evenly over the ranks, so that none waits for another.

Ranks read shards, and an update draws its samples from all of them by chance: 64 samples on 8 ranks would be 8 give or
take 2, and the slowest would set the pace. So a few trajectories move, once, before the first update. What an update
learns from stays the same. N samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor

from components.training.experience import Experience
from components.training.pairs import Pairs
from components.training.ranks import Ranks


def evenly(experience: Experience, plan: Iterable[Pairs], ranks: Ranks, device: torch.device) -> Experience:
    """The same samples, with trajectories where the plan wants them: each rank holds its share of each update's."""
    if ranks.size == 1:
        return experience
    holder_N = torch.zeros(len(experience), dtype=torch.int64)
    holder_N[experience.held_M] = ranks.rank
    holder_N = ranks.sum(holder_N.to(device)).cpu()
    wanted_N = even_holders(holder_N, [pairs.sample_P.unique() for pairs in plan], ranks.size)
    return _exchanged(experience, holder_N, wanted_N, ranks, device)


def even_holders(holder_N: Tensor, shares: Iterable[Tensor], size: int) -> Tensor:
    """Which rank is to hold each sample, [N]: each share's samples evenly, with as few moves as can be.

    A sample of several shares, as where there are several passes, follows the first.

    >>> even_holders(torch.tensor([0, 0, 0, 0, 0, 1]), [torch.tensor([0, 1, 2, 5]), torch.tensor([3, 4])], 2).tolist()
    [0, 0, 1, 0, 1, 1]
    """
    wanted = holder_N.tolist()
    placed: set[int] = set()
    for share in shares:
        samples = [n for n in share.tolist() if n not in placed]
        placed.update(samples)
        held = Counter(wanted[n] for n in samples)
        fullest_first = sorted(range(size), key=lambda rank: (-held[rank], rank))
        room = {rank: len(samples) // size + (i < len(samples) % size) for i, rank in enumerate(fullest_first)}
        homeless = []
        for n in samples:
            if room[wanted[n]] > 0:
                room[wanted[n]] -= 1
            else:
                homeless.append(n)
        free = (rank for rank in range(size) for _ in range(room[rank]))
        for n, rank in zip(homeless, free, strict=True):
            wanted[n] = rank
    return torch.tensor(wanted)


def _exchanged(
    experience: Experience, holder_N: Tensor, wanted_N: Tensor, ranks: Ranks, device: torch.device
) -> Experience:
    """Send and receive. Every rank goes through the same list of moves in the same order: nobody waits in a circle."""
    row_N = experience.rows()
    stays = ((holder_N == ranks.rank) & (wanted_N == ranks.rank)).nonzero().flatten()
    held, latents = [stays], [experience.latents_MSCHW[row_N[stays]]]
    log_probs = [experience.log_probs_MT[row_N[stays]]]
    for source in range(ranks.size):
        for target in range(ranks.size):
            moved = ((holder_N == source) & (wanted_N == target)).nonzero().flatten()
            if source == target or len(moved) == 0:
                continue
            if ranks.rank == source:
                ranks.send(experience.latents_MSCHW[row_N[moved]], target, device)
                ranks.send(experience.log_probs_MT[row_N[moved]], target, device)
            if ranks.rank == target:
                held.append(moved)
                latents.append(ranks.receive(experience.latents_MSCHW, len(moved), source, device))
                log_probs.append(ranks.receive(experience.log_probs_MT, len(moved), source, device))
    held_M, order_M = torch.cat(held).sort()
    return experience.holding(held_M, torch.cat(latents)[order_M], torch.cat(log_probs)[order_M])
