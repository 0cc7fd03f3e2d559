"""The safety checker, as diffusers loads it: small, and made so that one colour is what it looks for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessorPil

from components.core.config import RewardConfig
from components.core.errors import BadRequest, MissingInput
from components.scoring.rewards.safety import Safety, SafetyOptions
from components.scoring.scorer import load_scorers
from tests.scoring.shards import flat, prompts

RED, BLUE = (220, 20, 20), (20, 20, 220)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checker that flags what its tower sees in a red picture: concept 3 is that very embedding, and nothing less."""
    torch.manual_seed(0)
    vision = {
        "image_size": 32, "patch_size": 8, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }  # fmt: skip
    checker = StableDiffusionSafetyChecker(CLIPConfig(projection_dim=16, vision_config=vision)).eval()
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    with torch.no_grad():
        pixels = processor([flat(64, RED)], return_tensors="pt").pixel_values
        checker.concept_embeds_weights.fill_(2.0)  # no cosine is above 2: sixteen concepts and all special care sleep
        checker.special_care_embeds_weights.fill_(2.0)
        checker.concept_embeds[3] = checker.visual_projection(checker.vision_model(pixels)[1])[0]
        checker.concept_embeds_weights[3] = 0.998
    path = tmp_path_factory.mktemp("safety")
    checker.save_pretrained(path)
    processor.save_pretrained(path)
    return path


def test_what_it_looks_for_is_flagged_and_the_rest_is_fit_to_show(directory: Path) -> None:
    pictures = [flat(64, BLUE), flat(64, RED), flat(48, RED), flat(64, BLUE)]
    before = [picture.tobytes() for picture in pictures]
    scores = Safety(SafetyOptions(model=str(directory))).score(pictures, prompts(4))
    assert [score.reward for score in scores] == [1.0, 0.0, 0.0, 1.0]
    assert [picture.tobytes() for picture in pictures] == before  # diffusers blackens what it flags; we do not


def test_the_weights_are_who_it_is(directory: Path, tmp_path: Path) -> None:
    (scorer,) = load_scorers([RewardConfig(name="safety", options={"model": str(directory)})])
    for file in directory.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights["concept_embeds_weights"][3] = 2.0
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (lenient,) = load_scorers([RewardConfig(name="safety", options={"model": str(tmp_path)})])
    assert scorer.description["identity"] != lenient.description["identity"]
    assert [s.reward for s in lenient.scores(prompts(1), [flat(64, RED)])] == [1.0]


def test_without_weights_it_does_not_begin(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="options of safety: model: missing"):
        load_scorers([RewardConfig(name="safety")])
    with pytest.raises(MissingInput, match=r"config\.json, preprocessor_config\.json, model\.safetensors is not there"):
        load_scorers([RewardConfig(name="safety", options={"model": str(tmp_path / "nowhere")})])
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((directory / name).read_bytes())
    with pytest.raises(MissingInput, match=r"no safety checker at .*: model\.safetensors is not there"):
        load_scorers([RewardConfig(name="safety", options={"model": str(tmp_path)})])


def test_it_never_runs_with_random_weights(directory: Path, tmp_path: Path) -> None:
    """diffusers fills what a file lacks with random numbers; such a checker would pass anything."""
    for file in directory.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadRequest, match=r"has no weights for visual_projection\.weight"):
        Safety(SafetyOptions(model=str(tmp_path)))


def test_a_grey_picture_is_a_picture_too(directory: Path) -> None:
    (score,) = Safety(SafetyOptions(model=str(directory))).score([Image.new("L", (64, 64)).convert("RGB")], prompts(1))
    assert score.reward == 1.0
