"""The tutorial works as it stands."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.core.config import RewardConfig, parse_config
from components.core.errors import BadRequest
from components.core.records import PromptRow
from components.scoring.rewards.registry import find_reward
from components.scoring.scorer import load_scorers
from dags.pipeline.environment import Images

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/adding-a-reward.md"
USER = 10001
NAME = "my_rewards.colour:Colourfulness"


def block(language, number=0):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)[number]


@pytest.fixture
def _tutorial_on_the_path(tmp_path, monkeypatch):
    (tmp_path / "my_rewards").mkdir()
    (tmp_path / "my_rewards/colour.py").write_text(block("python"))
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


def test_the_tutorials_reward_has_less_than_30_lines():
    assert len(block("python").splitlines()) < 30


def test_the_tutorials_image_is_five_sound_lines(tmp_path):
    """hadolint finds nothing in it, and it ends as the steps' own user."""
    assert len(block("dockerfile").splitlines()) == 5
    (tmp_path / "Dockerfile").write_text(block("dockerfile"))
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([hadolint, "--format", "json", tmp_path / "Dockerfile"], capture_output=True, text=True)
    assert [problem["message"] for problem in json.loads(found.stdout)] == []
    assert f"USER {USER}:{USER}" in (ROOT / "images/Dockerfile").read_text()
    assert block("dockerfile").endswith(f"USER {USER}:{USER}\n")


@pytest.mark.usefixtures("_tutorial_on_the_path")
def test_the_tutorials_combination_is_a_reward():
    """A red picture: (85.53 - 40) / 12 + 0.5 x (1.1 - its size in kB) / 0.2."""
    config = parse_config(tomllib.loads(block("toml", 2)))
    (scorer,) = load_scorers((config.reward,))
    prompt = PromptRow(prompt_id="a-cat", index=0, text="a cat", split="train")
    (score,) = scorer.reward.score([Image.new("RGB", (8, 8), "red")], [prompt])
    size = score.parts["jpeg_compressibility"]["bytes"] / 1000
    assert score.reward == pytest.approx((0.3 * np.hypot(255, 127.5) - 40) / 12 + 0.5 * (-size + 1.1) / 0.2)


def test_the_tutorials_image_is_a_key_of_the_deployments_file():
    images = {name: f"{name}@sha256:0" for name in ("cpu", "diffusion", "scoring")}
    own = Images.model_validate({**images, **tomllib.loads(block("toml", 1))["images"]})
    assert list(own.rewards) == ["colourfulness"]
