"""Every reward with published weights, on small ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.config import RewardConfig
from tests.scoring.rewards import published


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`clip`, `siglip`, `hps` and its `base`, `image_reward` with `bert` in it, and `head.pth`."""
    path = tmp_path_factory.mktemp("weights")
    published.small_clip(path / "clip")
    published.small_siglip(path / "siglip")
    published.small_aesthetic_head(path / "head.pth")
    published.small_hps(path)
    published.small_image_reward(path / "image_reward")
    return path


@pytest.fixture(scope="session")
def rewards(weights: Path) -> dict[str, RewardConfig]:
    """How each is asked for."""
    clip = str(weights / "clip")
    options = {
        "aesthetic": {"model": clip, "head": str(weights), "head_file": "head.pth"},
        "clip_score": {"model": clip},
        "pick_score": {"model": clip, "processors": clip},
        "hps": {"model": str(weights / "hps"), "base": str(weights / "base")},
        "image_reward": {
            "model": str(weights / "image_reward"), "tokenizer": str(weights / "image_reward" / "bert"),
        },
    }  # fmt: skip
    return {name: RewardConfig(name=name, options=given) for name, given in options.items()}
