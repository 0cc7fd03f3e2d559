"""The learning-rate schedule and the mean of weights over time that every part of the tiny policy is trained with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

WARM_UP = 100  # optimiser steps


def learning_rate_factor(step: int, steps: int, *, constant: float = 0.5, last: float = 0.02) -> float:
    """Linear warm-up, constant until the share `constant` of all steps, then linear down to `last`.

    >>> [round(learning_rate_factor(step, 1000), 2) for step in (49, 400, 750, 1000)]
    [0.5, 1.0, 0.51, 0.02]
    """
    warm_up = min(WARM_UP, max(1, steps // 10))
    if step < warm_up:
        return (step + 1) / warm_up
    decay = (step / steps - constant) / (1 - constant)
    return 1 - (1 - last) * min(1.0, max(0.0, decay))


def adamw(
    parameters: Iterable[nn.Parameter], steps: int, rate: float, **decay: float
) -> tuple[torch.optim.AdamW, torch.optim.lr_scheduler.LambdaLR]:
    """AdamW with a short second-moment memory (0.99): these runs are a few thousand steps long."""
    optimiser = torch.optim.AdamW(list(parameters), lr=rate, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate_factor(step, steps, **decay))
    return optimiser, schedule


class Average:
    """Exponential moving average of a module's parameters."""

    def __init__(self, modules: Iterable[nn.Module], decay: float = 0.999) -> None:
        self.live = [parameter for module in modules for parameter in module.parameters()]
        self.mean: list[Tensor] = [parameter.detach().clone() for parameter in self.live]
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self) -> None:
        """Move the mean towards the live weights; call it after each optimiser step."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 10))  # the first steps should be forgotten soon
        torch._foreach_lerp_(self.mean, [parameter.detach() for parameter in self.live], 1 - decay)

    @torch.no_grad()
    def store(self) -> None:
        """Put the mean in the place of the live weights."""
        for parameter, mean in zip(self.live, self.mean, strict=True):
            parameter.copy_(mean)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The modules hold the mean within the block, and the live weights again after it."""
        kept = [parameter.detach().clone() for parameter in self.live]
        self.store()
        yield
        with torch.no_grad():
            for parameter, weights in zip(self.live, kept, strict=True):
                parameter.copy_(weights)
