"""The tutorial works as it stands."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.core.config import RewardConfig
from components.core.errors import BadRequest
from components.core.records import PromptRow
from components.scoring.rewards.registry import find_reward
from components.scoring.scorer import load_scorers

PAGE = Path(__file__).parents[1] / "docs/adding-a-reward.md"
NAME = "my_rewards.colour:Colourfulness"


@pytest.fixture
def _tutorial_on_the_path(tmp_path, monkeypatch):
    (tmp_path / "my_rewards").mkdir()
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "my_rewards/colour.py").write_text(code.group(1))
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for module in ("my_rewards.colour", "my_rewards"):
        sys.modules.pop(module, None)


@pytest.mark.usefixtures("_tutorial_on_the_path")
def test_the_tutorials_reward_scores_by_its_formula():
    """A grey picture has colourfulness 0; a red one has no spread and a mean of (255, 127.5): 0.3 · 285.1 = 85.5."""
    reward = find_reward(NAME)
    prompt = PromptRow(prompt_id="a-cat", index=0, text="a cat", split="train")
    grey, red = (Image.new("RGB", (8, 8), colour) for colour in ("grey", "red"))
    scores = reward(reward.Options()).score([grey, red], [prompt, prompt])
    assert scores == pytest.approx([0, 0.3 * np.hypot(255, 127.5)])


@pytest.mark.usefixtures("_tutorial_on_the_path")
def test_an_option_is_part_of_its_identity_and_a_wrong_one_is_named():
    plain, heavy = (load_scorers((RewardConfig(name=NAME, options=o),))[0].id for o in ({}, {"mean_weight": 1.0}))
    assert plain != heavy
    with pytest.raises(BadRequest, match="weight"):
        load_scorers((RewardConfig(name=NAME, options={"weight": 1.0}),))
