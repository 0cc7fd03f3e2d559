"""Every preset asks for rewards that there are, with options that they take: a typo is found here, not on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

import dags.presets
from components.core.config import load_config
from components.core.plan import scorers
from components.scoring.rewards.registry import find_reward

PRESETS = sorted(Path(dags.presets.__file__).parent.glob("*.toml"))


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_rewards_judges_and_probes_take_their_options(preset: Path) -> None:
    for scorer in scorers(load_config(preset)):
        find_reward(scorer.name).Options.model_validate(scorer.options)
