"""A running mean of what is trained over the updates of a run: smoother than its last point, and stored beside it.

It is no policy of the run: nothing is sampled from it, so that it can neither help nor harm what is learned.
"""

from __future__ import annotations

import torch
from safetensors.torch import load as load_tensors
from torch import Tensor

from components.core.errors import BadData
from components.training.trained import Trained

AVERAGE_FILE = "ema.safetensors"


class WeightAverage:
    """mean <- decay * mean + (1 - decay) * parameter, after each update; it begins as the start's parameters."""

    def __init__(self, trained: Trained, decay: float) -> None:
        self.decay = decay
        self._trained, self._parameters = trained, trained.parameters
        self.mean = {name: p.detach().clone() for name, p in self._parameters.items()} if decay else {}

    def update(self) -> None:
        """The parameters have moved."""
        for name, mean in self.mean.items():
            mean.lerp_(self._parameters[name].detach(), 1 - self.decay)

    def load(self, data: bytes, *, source: str) -> None:
        """Go on from the parent's file. Raises BadData if it belongs to other parameters."""
        tensors = load_tensors(data)
        stored = {name: tensors.get(self._trained.name_in_file(name)) for name in self._parameters}
        self.set({name: tensor for name, tensor in stored.items() if tensor is not None}, source=source)

    def set(self, tensors: dict[str, Tensor], *, source: str) -> None:
        """Go on from these means."""
        if {name: t.shape for name, t in tensors.items()} != {name: t.shape for name, t in self.mean.items()}:
            raise BadData(f"{source} holds the mean of other parameters")
        for name, tensor in tensors.items():
            self.mean[name].copy_(tensor)

    def save(self) -> bytes:
        """The mean, as a policy's file."""
        kept = {name: p.detach().clone() for name, p in self._parameters.items()}
        try:
            self._fill(self.mean)
            return self._trained.save()
        finally:
            self._fill(kept)

    def _fill(self, tensors: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, tensor in tensors.items():
                self._parameters[name].copy_(tensor)
