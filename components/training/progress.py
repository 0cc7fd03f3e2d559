"""Checkpoints inside one iteration's training, so that a killed attempt is gone on with instead of begun again.

They lie at <out>/attempts/progress-<request digest>/<updates>-<pairs>-<sha256>.safetensors: below `attempts`, so that
no reader of the commit sees them and retention removes them as it removes any attempt that nobody committed. Each is
whole or absent and named by its own hash; one that is broken, or of another release, is passed over with a warning.

Nothing random is left to store: the order of the samples and the steps of each are drawn from the request's seed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import dataclass, field

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from components.core import software, store
from components.core.contracts import TrainingRequest, canonical_json
from components.core.errors import BadData, StepError
from components.training.average import WeightAverage
from components.training.optimizer import MOMENTS, moments, set_moments
from components.training.ranks import Ranks
from components.training.trained import Trained

log = logging.getLogger(__name__)

MADE_BY = ("python", "ddpo", "image", "torch", "diffusers", "peft")
"""Versions that must be equal: a resumed update is only the uninterrupted one where the same code makes both."""


@dataclass
class Progress:
    """How far an iteration's training is. What is trained and its optimiser hold the rest."""

    history: list[dict[str, float]] = field(default_factory=list)
    """Metrics of each update that was taken."""
    done: int = 0
    """Pairs of the next update whose gradient is added up already."""
    totals: Tensor = field(default_factory=lambda: torch.zeros(3))
    """Their loss, clip fraction and KL, weighted and summed."""
    checked: dict[str, float] = field(default_factory=dict)
    """Metrics of the ratio check, which needs policy k as it was."""

    def taken(self, metrics: dict[str, float]) -> None:
        """The update was taken; the next one begins with nothing."""
        self.history.append(metrics)
        self.done, self.totals = 0, torch.zeros_like(self.totals)


class Checkpoints:
    """The checkpoints of one request: at most one every `checkpoint_minutes`."""

    def __init__(
        self,
        request: TrainingRequest,
        trained: Trained,
        optimizer: torch.optim.AdamW,
        average: WeightAverage,
        ranks: Ranks,
    ) -> None:
        self.prefix = f"{request.out.rstrip('/')}/{store.ATTEMPTS}/progress-{request.digest()}"
        self._trained, self._parameters = trained, trained.parameters
        self._optimizer, self._average, self._ranks = optimizer, average, ranks
        self._owner: dict[str, object] = {"request": request.digest(), "made by": _made_by()}
        self._seconds = 60 * request.training.checkpoint_minutes
        self._last = time.monotonic()

    def resume(self) -> Progress:
        """Put parameters and optimiser where the newest good checkpoint has them; Progress() if there is none."""
        name = self._ranks.from_first(self._newest() if self._seconds and self._ranks.leads else None)
        if name is None:
            return Progress()
        progress = self._restore(store.read(f"{self.prefix}/{name}"))
        log.info("training: going on after %d updates and %d pairs", len(progress.history), progress.done)
        return progress

    def within(self, progress: Progress) -> None:
        """Between two micro-batches. Several ranks hold a part of the gradient each: they wait for the update."""
        if self._ranks.size == 1 and self._due():
            self._save(progress)

    def between(self, progress: Progress) -> None:
        """Between two updates."""
        if self._seconds and self._ranks.from_first(self._due()):
            self._save(progress)

    def _due(self) -> bool:
        return self._seconds > 0 and time.monotonic() - self._last >= self._seconds

    def _save(self, progress: Progress) -> None:
        self._last = time.monotonic()
        if not self._ranks.leads:
            return
        data = save_tensors(self._tensors(progress))
        name = f"{len(progress.history):06d}-{progress.done:09d}-{hashlib.sha256(data).hexdigest()}.safetensors"
        try:
            store.create(f"{self.prefix}/{name}", data)
        except StepError as error:  # a checkpoint saves work; that it cannot be written must not lose any
            log.warning("training: no checkpoint: %s", error)

    def _tensors(self, progress: Progress) -> dict[str, Tensor]:
        told = {**self._owner, "history": progress.history, "done": progress.done, "checked": progress.checked}
        parameters = {f"parameter:{name}": p.detach() for name, p in self._parameters.items()}
        gradients = {f"gradient:{n}": p.grad for n, p in self._parameters.items() if p.grad is not None}
        means = {f"mean:{name}": mean for name, mean in self._average.mean.items()}
        state = parameters | means | (gradients if progress.done else {}) | {"totals": progress.totals}
        return {
            "progress": torch.frombuffer(bytearray(canonical_json(told)), dtype=torch.uint8),
            **{name: tensor.cpu().contiguous() for name, tensor in state.items()},
            **moments(self._optimizer, self._parameters),
        }

    def _newest(self) -> str | None:
        """Name of the newest checkpoint that is whole and this request's own."""
        for name in sorted(store.children(self.prefix), reverse=True):
            try:
                data = store.read(f"{self.prefix}/{name}")
                self._require_good(name, data)
            except StepError as error:
                log.warning("training: the checkpoint %s/%s is ignored: %s", self.prefix, name, error)
                continue
            return name
        return None

    def _require_good(self, name: str, data: bytes) -> None:
        if name.removesuffix(".safetensors").rpartition("-")[2] != hashlib.sha256(data).hexdigest():
            raise BadData("it is corrupt: its sha256 is not that of its name")
        try:
            tensors = load_tensors(data)
            told = json.loads(bytes(tensors["progress"].tolist()))
            shapes = {n: (t.shape, t.dtype) for n, t in tensors.items() if n.startswith("parameter:")}
            named = {n for n in tensors if n.partition(":")[0] in MOMENTS}
        except (KeyError, ValueError) as error:
            raise BadData(f"it is no checkpoint: {error}") from None
        if {name: told.get(name) for name in self._owner} != self._owner:
            raise BadData("another request or another release of this project made it")
        wanted = {f"parameter:{name}": (p.shape, p.dtype) for name, p in self._parameters.items()}
        moments_of_all = {f"{moment}:{name}" for name in self._parameters for moment in MOMENTS}
        if shapes != wanted or named not in (set(), moments_of_all):
            raise BadData("it holds other parameters")

    def _restore(self, data: bytes) -> Progress:
        tensors = load_tensors(data)
        told = json.loads(bytes(tensors.pop("progress").tolist()))
        if stored := {name: tensor for name, tensor in tensors.items() if name.partition(":")[0] in MOMENTS}:
            set_moments(self._optimizer, self._parameters, stored, source=self.prefix)
        means = {name.removeprefix("mean:"): t for name, t in tensors.items() if name.startswith("mean:")}
        self._average.set(means, source=self.prefix)
        for name, parameter in self._parameters.items():
            gradient = tensors.get(f"gradient:{name}")
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
            parameter.data.copy_(tensors[f"parameter:{name}"])
        self._trained.publish()
        return Progress(told["history"], told["done"], tensors["totals"], told["checked"])


def _made_by() -> dict[str, str]:
    return {name: version for name, version in software.versions().items() if name in MADE_BY}
