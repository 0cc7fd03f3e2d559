"""Which (sample, step) pairs an optimiser update learns from.

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
    """Some (sample, step) pairs of an experience."""

    sample_P: Tensor
    step_P: Tensor

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
        generator = torch.Generator().manual_seed(seed if epoch == 0 else derive_seed("epoch", seed, epoch))
        order = torch.randperm(samples, generator=generator)
        chosen_NT = choose_steps(samples, steps, config.timestep_fraction, generator)
        for share in order.tensor_split(min(config.updates, samples)):
            updates.append(Pairs.of(share, steps).where(chosen_NT[share].flatten()))
    return updates


def choose_steps(samples: int, steps: int, fraction: float, generator: torch.Generator) -> Tensor:
    """Mask [N, T] with the same number of steps for each sample: the fraction, rounded up.

    >>> choose_steps(3, 10, 0.25, torch.Generator().manual_seed(0)).sum(dim=1).tolist()
    [3, 3, 3]
    """
    chosen = math.ceil(round(fraction * steps, 9))
    mask_NT = torch.ones(samples, steps, dtype=torch.bool)
    if chosen < steps:
        drawn = torch.rand(samples, steps, generator=generator).argsort(dim=1)
        mask_NT.scatter_(1, drawn[:, chosen:], False)
    return mask_NT
