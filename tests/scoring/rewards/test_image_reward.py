"""ImageReward: the published checkpoint's layout, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import BlipTextModel, BlipVisionModel

from components.core.errors import BadData, MissingInput
from components.scoring.rewards.blip_layout import from_blip_vision, read_med_config, vision_config
from components.scoring.rewards.image_reward import ImageReward, ImageRewardOptions, split_checkpoint
from tests.scoring.rewards.published import MED_CONFIG, image_reward_shapes, image_reward_tensors, pictures, rows

VIT_L = {
    "image_size": 224, "patch_size": 16, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
}  # fmt: skip
MED = {
    **MED_CONFIG, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "max_position_embeddings": 512, "vocab_size": 30524,
}  # fmt: skip
"""The published med_config.json."""


def image_reward(path: Path) -> ImageReward:
    return ImageReward(ImageRewardOptions(model=str(path), tokenizer=str(path / "bert")))


@pytest.fixture
def copy(weights: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(weights / "image_reward", tmp_path / "copy"))


def test_the_mapping_fits_the_published_size(tmp_path: Path) -> None:
    """BLIP ViT-L and BERT-base with cross-attention: name by name, shape by shape. 24 blocks of 16 heads follow."""
    (tmp_path / "med_config.json").write_text(json.dumps(MED))
    with torch.device("meta"):
        published = {name: torch.empty(shape) for name, shape in image_reward_shapes(VIT_L, MED).items()}
        vision, text, head = split_checkpoint(published, tmp_path)
        config = vision_config(vision, tmp_path)
        eyes = BlipVisionModel(config)
        reader = BlipTextModel(read_med_config(tmp_path / "med_config.json", 1024), add_pooling_layer=False)
    assert {**VIT_L, "num_attention_heads": 16}.items() <= config.to_dict().items()
    assert _shapes(from_blip_vision(vision)) == _shapes(eyes.state_dict())
    assert _shapes(text) == _shapes(reader.state_dict())
    assert _shapes(head)["layers.0.weight"] == (1024, 768)
    numbers = sum(tensor.numel() for tensor in published.values())
    assert 4 * numbers == pytest.approx(1.79e9, abs=0.005e9)  # bytes of the published file


def _shapes(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def test_the_words_are_read_with_the_picture(weights: Path) -> None:
    """Another prompt and another picture each give another number: the encoders look at each other."""
    reward = image_reward(weights / "image_reward")
    cat, dog = rows(["a cat", "a dog"])
    first, second = pictures()[:2]
    scores = [found.reward for found in reward.score([first, first, second], [cat, dog, cat])]
    assert abs(scores[0] - scores[1]) > 0.01 < abs(scores[0] - scores[2])


def test_the_published_mean_and_sd(copy: Path) -> None:
    """A head that gives 1.2005130 whatever it is shown: (1.2005130 - 0.1671736) / 1.0333395 = 1."""
    tensors = image_reward_tensors()
    tensors["mlp.layers.7.weight"], tensors["mlp.layers.7.bias"] = torch.zeros(1, 16), torch.tensor([1.2005130])
    torch.save(tensors, copy / "ImageReward.pt")
    assert image_reward(copy).score(pictures()[:1], rows()[:1])[0].reward == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("blip.visual_encoder.cls_token", None, "has no embeddings.class_embedding"),
        ("blip.visual_encoder.pos_embed", None, "its picture encoder lacks 'pos_embed'"),
        ("blip.text_encoder.encoder.layer.1.crossattention.self.key.weight", torch.zeros(16, 16), "and not"),
        ("blip.text_encoder.encoder.layer.2.output.dense.bias", torch.zeros(16), "has no place in the model"),
        ("mlp.layers.7.bias", None, "has no layers.7.bias"),
        ("decoder.weight", torch.zeros(1), "has a decoder.weight, which has no place in the model"),
    ],
)
def test_another_checkpoint_is_refused(copy: Path, name: str, tensor: torch.Tensor | None, message: str) -> None:
    tensors = {**image_reward_tensors(), name: tensor}
    torch.save({key: value for key, value in tensors.items() if value is not None}, copy / "ImageReward.pt")
    with pytest.raises(BadData, match=message):
        image_reward(copy)


def test_med_config_must_be_there_and_right(copy: Path) -> None:
    (copy / "med_config.json").write_text("{}")
    with pytest.raises(BadData, match=r"is no med_config\.json of BLIP: 'vocab_size'"):
        image_reward(copy)
    (copy / "med_config.json").unlink()
    with pytest.raises(MissingInput, match=r"no med_config\.json"):
        image_reward(copy)
