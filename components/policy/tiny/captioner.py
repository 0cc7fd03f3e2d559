"""The captioner: a small convolutional network that says what it sees.

Stands in for a vision-language model in the alignment reward, so that the whole chain (picture, caption, similarity)
runs on a laptop. Two heads: which of the sixty animals, and which of the six activities or none.
"""

# N pictures
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from components.policy.tiny.activities import ACTIVITIES
from components.policy.tiny.animals import ANIMALS, Subject
from components.policy.tiny.captions import caption
from components.policy.tiny.pixels import from_pictures

WIDTHS = (24, 32, 48, 64, 64, 96, 96)
HALVED_BEFORE = frozenset({1, 3, 5})  # 32 -> 16 -> 8 -> 4 pixels
NO_ACTIVITY = "none"
ANSWERS = (NO_ACTIVITY, *ACTIVITIES)


class Captioner(nn.Module):
    """Seven 3x3 convolutions and two linear heads (0.3 M parameters)."""

    def __init__(self, animals: Sequence[str] = ANIMALS, activities: Sequence[str] = ANSWERS) -> None:
        super().__init__()
        self.animals, self.activities = tuple(animals), tuple(activities)
        layers: list[nn.Module] = []
        before = 3
        for index, width in enumerate(WIDTHS):
            if index in HALVED_BEFORE:
                layers.append(nn.MaxPool2d(2))
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.1))
        self.animal_head = nn.Linear(before * 16, len(self.animals))
        self.activity_head = nn.Linear(before * 16, len(self.activities))

    def forward(self, x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, 32, 32] in [-1, 1] -> logits [N, 60] and [N, 7]."""
        features = self.trunk(x_NCHW)
        return self.animal_head(features), self.activity_head(features)

    @classmethod
    def load(cls, path: str | Path) -> Captioner:
        """From a directory written by `save`, in single precision, ready to answer."""
        directory = Path(path)
        names = json.loads((directory / "config.json").read_text())
        captioner = cls(names["animals"], names["activities"])
        captioner.load_state_dict(load_file(directory / "model.safetensors"))
        captioner.float().eval()
        return captioner

    def save(self, path: str | Path) -> None:
        """Write config.json and model.safetensors in half precision."""
        directory = Path(path)
        directory.mkdir(parents=True, exist_ok=True)
        names = {"animals": self.animals, "activities": self.activities}
        (directory / "config.json").write_text(json.dumps(names, indent=2) + "\n")
        weights = {name: t.half() if t.is_floating_point() else t for name, t in self.state_dict().items()}
        weights = {name: tensor.contiguous().cpu() for name, tensor in weights.items()}
        save_file(weights, directory / "model.safetensors")

    @torch.no_grad()
    def probabilities(self, pictures: Sequence[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
        """p(animal) [N, 60] and p(activity) [N, 7], in the order of `animals` and `activities`."""
        animal, activity = self(from_pictures(pictures).to(self.animal_head.weight.device))
        return animal.softmax(-1).cpu().numpy(), activity.softmax(-1).cpu().numpy()

    def caption(self, pictures: Sequence[Image.Image]) -> list[str]:
        """The likeliest animal and activity in words: "a cat riding a bike", "an ant"."""
        animal, activity = (p.argmax(-1) for p in self.probabilities(pictures))
        doing = [name if name != NO_ACTIVITY else None for name in (self.activities[index] for index in activity)]
        return [caption(Subject(self.animals[a], d)) for a, d in zip(animal, doing, strict=True)]
