"""A running mean of the adapter over the updates of a run: smoother than its last point, and stored beside it.

It is no policy of the run: nothing is sampled from it, so that it can neither help nor harm what is learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from components.core.errors import BadData

AVERAGE_FILE = "ema.safetensors"


class AdapterAverage:
    """mean <- decay * mean + (1 - decay) * adapter, after each update; it begins as the adapter of the start."""

    def __init__(self, parameters: dict[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self._parameters = parameters
        self.mean = {name: p.detach().clone() for name, p in parameters.items()} if decay else {}

    def update(self) -> None:
        """The adapter has moved."""
        for name, mean in self.mean.items():
            mean.lerp_(self._parameters[name].detach(), 1 - self.decay)

    def load(self, data: bytes, *, source: str) -> None:
        """Go on from the parent's file. Raises BadData if it belongs to another adapter."""
        tensors = load_tensors(data)
        stored = {name: tensors.get(_name_in_file(name)) for name in self._parameters}
        self.set({name: tensor for name, tensor in stored.items() if tensor is not None}, source=source)

    def set(self, tensors: dict[str, Tensor], *, source: str) -> None:
        """Go on from these means."""
        if {name: t.shape for name, t in tensors.items()} != {name: t.shape for name, t in self.mean.items()}:
            raise BadData(f"{source} holds the mean of another adapter")
        for name, tensor in tensors.items():
            self.mean[name].copy_(tensor)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the mean stands in the adapter's place: it is written as an adapter is."""
        kept = {name: p.detach().clone() for name, p in self._parameters.items()}
        try:
            self._fill(self.mean)
            yield
        finally:
            self._fill(kept)

    def _fill(self, tensors: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, tensor in tensors.items():
                self._parameters[name].copy_(tensor)


def _name_in_file(parameter: str) -> str:
    """The key of a parameter in an adapter's file.

    >>> _name_in_file("mid.to_q.lora_A.default.weight")
    'unet.mid.to_q.lora_A.weight'
    """
    return f"unet.{parameter.replace('.default.', '.')}"
