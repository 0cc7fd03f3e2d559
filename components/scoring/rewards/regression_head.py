"""The head that turns an embedding into one number: LAION's aesthetic predictor, and the same layers in ImageReward.

D -> 1024 -> 128 -> 64 -> 16 -> 1, without activations, as published (christophschuhmann/improved-aesthetic-predictor
6934dd8; THUDM/ImageReward c1392c6). Dropout sleeps when scoring, but it counts in the names: layers.0, 2, 4, 6, 7.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from components.scoring.rewards.pretrained import Tensors, check_whole


def load_regression_head(tensors: Tensors, width: int, place: Path, device: torch.device) -> nn.Sequential:
    """The head over embeddings of `width`, in single precision, from `layers.N.weight` and `layers.N.bias`.

    Raises BadData, naming `place`, if a tensor is missing, of another shape, or one too many.
    """
    head = nn.Sequential(
        nn.Linear(width, 1024),
        nn.Dropout(0.2),
        nn.Linear(1024, 128),
        nn.Dropout(0.2),
        nn.Linear(128, 64),
        nn.Dropout(0.1),
        nn.Linear(64, 16),
        nn.Linear(16, 1),
    )
    check_whole({f"layers.{name}": tensor for name, tensor in head.state_dict().items()}, tensors, place)
    head.load_state_dict({name.removeprefix("layers."): tensor.float() for name, tensor in tensors.items()})
    return head.eval().to(device)
