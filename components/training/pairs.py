"""Which pairs an optimiser update learns from: (sample, step of its path), or (sample, number of a noised copy).

A plan is a function of the seed and the number of samples alone: however many processes train, an update has the same
pairs. N samples · T steps · P pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from components.core.config import TrainingConfig
from components.core.seeds import derive_seed


@dataclass
class Pairs:
    """Some pairs of an experience."""

    sample_P: Tensor
    step_P: Tensor
    """Step of the sample's path, from 0 at pure noise; or number of a noised copy of its picture."""

    @classmethod
    def of(cls, sample_M: Tensor, steps: int) -> Pairs:
        """Every step of some samples."""
        return cls(sample_M.repeat_interleave(steps), torch.arange(steps).repeat(len(sample_M)))

    def where(self, wanted_P: Tensor) -> Pairs:
        """Those that a mask picks, in their order."""
        return Pairs(self.sample_P[wanted_P], self.step_P[wanted_P])

    def after(self, done: int) -> Pairs:
        """Without the first `done`."""
        return Pairs(self.sample_P[done:], self.step_P[done:])

    def split(self, size: int) -> Iterator[Pairs]:
        """Micro-batches, in order; none of nothing."""
        for samples, steps in zip(self.sample_P.split(size), self.step_P.split(size), strict=True):
            if len(samples):
                yield Pairs(samples, steps)

    def __len__(self) -> int:
        return len(self.sample_P)


def plan_updates(samples: int, steps: int, config: TrainingConfig, *, seed: int) -> list[Pairs]:
    """The pairs of each optimiser update of an iteration, in order.

    Each pass shuffles the samples and splits them evenly among its updates; dropped samples may leave fewer updates
    than asked for, one sample each.
    """
    updates = []
    for epoch in range(config.inner_epochs):
        generator = _of_epoch(epoch, seed)
        order = torch.randperm(samples, generator=generator)
        chosen_NT = choose_steps(samples, steps, config.timestep_fraction, generator)
        for share in order.tensor_split(min(config.updates, samples)):
            updates.append(Pairs.of(share, steps).where(chosen_NT[share].flatten()))
    return updates


def plan_copies(sample_M: Tensor, steps: int, config: TrainingConfig, *, seed: int) -> list[Pairs]:
    """The pairs of each update of an iteration that denoises some samples' pictures.

    A pass takes as many noised copies of each picture as a policy gradient would take steps, so that the two cost the
    same; copies are numbered on from pass to pass, and none is taken twice.
    """
    copies, updates = chosen(steps, config.timestep_fraction), []
    for epoch in range(config.inner_epochs):
        order_M = sample_M[torch.randperm(len(sample_M), generator=_of_epoch(epoch, seed))]
        for share in order_M.tensor_split(min(config.updates, len(sample_M))):
            pairs = Pairs.of(share, copies)
            updates.append(Pairs(pairs.sample_P, pairs.step_P + epoch * copies))
    return updates


def chosen(steps: int, fraction: float) -> int:
    """So many of the steps: the fraction, rounded up.

    >>> chosen(10, 0.25), chosen(50, 0.3)
    (3, 15)
    """
    return math.ceil(round(fraction * steps, 9))


def choose_steps(samples: int, steps: int, fraction: float, generator: torch.Generator) -> Tensor:
    """Mask [N, T] with the same number of steps for each sample: the fraction, rounded up.

    >>> choose_steps(3, 10, 0.25, torch.Generator().manual_seed(0)).sum(dim=1).tolist()
    [3, 3, 3]
    """
    mask_NT = torch.ones(samples, steps, dtype=torch.bool)
    if (wanted := chosen(steps, fraction)) < steps:
        drawn = torch.rand(samples, steps, generator=generator).argsort(dim=1)
        mask_NT.scatter_(1, drawn[:, wanted:], False)
    return mask_NT


def _of_epoch(epoch: int, seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed if epoch == 0 else derive_seed("epoch", seed, epoch))
