"""The aesthetic predictor: the published head's layout, and numpy on CLIP's embedding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPImageProcessorPil, CLIPModel

from components.core.errors import BadData, MissingInput
from components.scoring.rewards.aesthetic import Aesthetic, AestheticOptions
from components.scoring.rewards.regression_head import load_regression_head
from tests.scoring.rewards.published import WIDTH, draw, head_shapes, pictures, rows


def by_numpy(head: dict[str, torch.Tensor], embedding_ND: np.ndarray) -> np.ndarray:
    """Five matrices, one after the other."""
    x = embedding_ND / np.linalg.norm(embedding_ND, axis=-1, keepdims=True)
    for layer in (0, 2, 4, 6, 7):
        x = x @ head[f"layers.{layer}.weight"].double().numpy().T + head[f"layers.{layer}.bias"].double().numpy()
    return x[:, 0]


def aesthetic(weights: Path, head: Path) -> Aesthetic:
    return Aesthetic(AestheticOptions(model=str(weights / "clip"), head=str(head.parent), head_file=head.name))


def test_five_matrices_on_the_embedding_of_norm_one(weights: Path) -> None:
    processor = CLIPImageProcessorPil.from_pretrained(weights / "clip")
    with torch.no_grad():
        pixels = processor(pictures(), return_tensors="pt").pixel_values
        seen = CLIPModel.from_pretrained(weights / "clip").eval().get_image_features(pixel_values=pixels).pooler_output
    expected = by_numpy(draw(head_shapes(WIDTH)), seen.double().numpy())
    scores = aesthetic(weights, weights / "head.pth").score(pictures(), rows())
    assert [found.reward for found in scores] == pytest.approx(expected, abs=1e-6)


def test_the_published_size() -> None:
    """768 wide, as CLIP ViT-L/14 projects."""
    tensors = draw(head_shapes(768))
    vector_ND = np.random.RandomState(3).normal(size=(2, 768))
    head = load_regression_head(tensors, 768, Path("head.pth"), torch.device("cpu"))
    unit_ND = torch.tensor(vector_ND / np.linalg.norm(vector_ND, axis=-1, keepdims=True), dtype=torch.float32)
    with torch.no_grad():
        assert head(unit_ND)[:, 0].tolist() == pytest.approx(by_numpy(tensors, vector_ND), abs=1e-6)


def test_the_head_is_read_from_pth_and_from_safetensors(weights: Path, tmp_path: Path) -> None:
    save_file(draw(head_shapes(WIDTH)), tmp_path / "head.safetensors")
    torch.save({"state_dict": draw(head_shapes(WIDTH))}, tmp_path / "wrapped.pt")
    published = aesthetic(weights, weights / "head.pth").score(pictures(), rows())
    for file in ("head.safetensors", "wrapped.pt"):
        assert aesthetic(weights, tmp_path / file).score(pictures(), rows()) == published


def test_never_a_head_that_is_not_whole(weights: Path, tmp_path: Path) -> None:
    head = tmp_path / "head.pth"
    with pytest.raises(MissingInput, match=r"holds no head\.pth"):
        aesthetic(weights, head)
    whole = draw(head_shapes(WIDTH))
    torch.save({name: tensor for name, tensor in whole.items() if name != "layers.6.bias"}, head)
    with pytest.raises(BadData, match=r"head\.pth has no layers\.6\.bias: these are not the whole weights"):
        aesthetic(weights, head)
    torch.save({**whole, "layers.7.weight": torch.zeros(2, 16)}, head)
    with pytest.raises(BadData, match=r"layers\.7\.weight is \[2, 16\], and not \[1, 16\]"):
        aesthetic(weights, head)
    torch.save({**whole, "layers.8.weight": torch.zeros(1, 1)}, head)
    with pytest.raises(BadData, match=r"has a layers\.8\.weight, which has no place in the model"):
        aesthetic(weights, head)


def test_a_head_for_another_clip_is_refused(weights: Path, tmp_path: Path) -> None:
    torch.save(draw(head_shapes(768)), tmp_path / "head.pth")
    with pytest.raises(BadData, match=r"layers\.0\.weight is \[1024, 768\], and not \[1024, 12\]"):
        aesthetic(weights, tmp_path / "head.pth")


class Attack:
    """What a pickle can hide."""

    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("run",))


@pytest.mark.parametrize("content", [Attack(), [1.0], {"layers.0.weight": 1.0}], ids=["code", "a list", "numbers"])
def test_only_tensors_are_unpickled(
    weights: Path, tmp_path: Path, content: object, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(content, tmp_path / "head.pth")
    with pytest.raises(BadData, match="is no checkpoint of tensors"):
        aesthetic(weights, tmp_path / "head.pth")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["head.pth", "head.safetensors"])
def test_a_spoilt_file_is_refused(weights: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not what it was")
    with pytest.raises(BadData, match="is no checkpoint of tensors"):
        aesthetic(weights, tmp_path / name)
