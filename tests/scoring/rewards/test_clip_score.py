"""CLIP and SigLIP scores, against numpy on what transformers' own processors and models give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPProcessor, Siglip2Config, Siglip2Model, SiglipModel, SiglipProcessor
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil
from transformers.models.siglip2.tokenization_siglip2 import Siglip2Tokenizer

from components.core.errors import BadData, BadRequest, MissingInput
from components.scoring.rewards.clip_score import ClipScore, ClipScoreOptions
from tests.scoring.rewards.published import TEXTS, clip_processors, pictures, redraw, rows, small_clip


def cosines(weights: Path, texts: list[str]) -> np.ndarray:
    """By numpy, from the embeddings of the model's own forward pass."""
    model = CLIPModel.from_pretrained(weights / "clip").eval()
    inputs = CLIPProcessor.from_pretrained(weights / "clip")(
        text=texts, images=pictures(), return_tensors="pt", padding=True, truncation=True, max_length=16
    )
    with torch.no_grad():
        out = model(**inputs)
    eyes, words = out.image_embeds.numpy().astype(float), out.text_embeds.numpy().astype(float)
    return (eyes * words).sum(-1) / np.linalg.norm(eyes, axis=-1) / np.linalg.norm(words, axis=-1)


def score(path: Path, **options: str) -> list[float]:
    scores = ClipScore(ClipScoreOptions(model=str(path), **options)).score(pictures(), rows())
    return [found.reward for found in scores]


def test_cosine(weights: Path) -> None:
    assert score(weights / "clip") == pytest.approx(cosines(weights, TEXTS), abs=1e-6)


def test_clipscore_is_two_and_a_half_times_what_is_above_zero(weights: Path) -> None:
    """As in the paper, with its words before the prompt."""
    found = score(weights / "clip", form="clipscore", template="a photo depicts {prompt}")
    expected = 2.5 * np.maximum(cosines(weights, [f"a photo depicts {text}" for text in TEXTS]), 0)
    assert found == pytest.approx(expected, abs=1e-6)
    assert 0 < np.count_nonzero(expected) < 4  # both sides of the edge were seen


def test_the_text_matters(weights: Path) -> None:
    reward = ClipScore(ClipScoreOptions(model=str(weights / "clip")))
    one, other = reward.score(pictures()[:1] * 2, rows(["a cat", "a teapot"]))
    assert abs(one.reward - other.reward) > 0.01


def test_siglip_gives_the_probability_of_its_own_forward_pass(weights: Path) -> None:
    model = SiglipModel.from_pretrained(weights / "siglip").eval()
    processor = SiglipProcessor.from_pretrained(weights / "siglip")
    inputs = processor(text=TEXTS, images=pictures(), return_tensors="pt", padding="max_length", max_length=16)
    with torch.no_grad():
        logits = model(input_ids=inputs["input_ids"], pixel_values=inputs["pixel_values"]).logits_per_image
    expected = 1 / (1 + np.exp(-logits.diagonal().double().numpy()))
    assert score(weights / "siglip", form="probability") == pytest.approx(expected, abs=1e-6)
    pinned = [0.1938408, 0.1718894, 0.1240277, 0.5162588]
    assert score(weights / "siglip", form="probability") == pytest.approx(pinned, abs=1e-5)


def test_siglip_reads_small_letters(weights: Path) -> None:
    reward = ClipScore(ClipScoreOptions(model=str(weights / "siglip")))
    one, other = reward.score(pictures()[:1] * 2, rows(["A Cat", "a cat"]))
    assert one.reward == other.reward


def test_siglip_2_of_any_size_runs(tmp_path: Path) -> None:
    """NaFlex: pictures keep their shape, in patches. Alone and beside others, the same score."""
    letters = "\N{LOWER ONE EIGHTH BLOCK}abcdefghijklmnopqrstuvwxyz"
    specials = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
    words = Siglip2Tokenizer(vocab={piece: i for i, piece in enumerate([*specials, *letters])}, merges=[])
    text = {
        "vocab_size": len(words), "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 32, "projection_size": 24, "bos_token_id": 2,
        "eos_token_id": 1, "pad_token_id": 0,
    }  # fmt: skip
    vision = {
        "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_patches": 16, "patch_size": 8,
    }  # fmt: skip
    model = Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)).eval()
    redraw(model)
    for saved in (model, words, Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)):
        saved.save_pretrained(tmp_path)
    reward = ClipScore(ClipScoreOptions(model=str(tmp_path), form="probability"))
    seen = [pictures()[0].crop((0, 0, 48, 20)), pictures()[2].crop((0, 0, 20, 48))]
    together = [found.reward for found in reward.score(seen, rows(TEXTS[:2]))]
    alone = [reward.score([p], [row])[0].reward for p, row in zip(seen, rows(TEXTS[:2]), strict=True)]
    assert together == pytest.approx(alone, abs=1e-6)
    assert together == pytest.approx([0.4129214, 0.4691451], abs=1e-5)


def test_what_cannot_be_scored_is_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match='form = "probability" needs a SigLIP'):
        score(weights / "clip", form="probability")
    with pytest.raises(BadRequest, match=r"template = 'a photo' has no \{prompt\}"):
        score(weights / "clip", template="a photo")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(BadRequest, match="holds a bert"):
        score(tmp_path)
    for spoilt in ("{", '{"model_type": "of another world"}'):
        (tmp_path / "config.json").write_text(spoilt)
        with pytest.raises(BadData, match=r"config\.json cannot be read"):
            score(tmp_path)


def test_a_directory_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    small_clip(tmp_path)
    file = tmp_path / "model.safetensors"
    whole = load_file(file)
    save_file({name: t for name, t in whole.items() if name != "logit_scale"}, file, metadata={"format": "pt"})
    with pytest.raises(BadData, match="has no logit_scale: these are not the whole weights"):
        score(tmp_path)
    save_file({**whole, "text_projection.weight": torch.zeros(12, 8)}, file, metadata={"format": "pt"})
    with pytest.raises(BadData, match=r"text_projection.weight is \[12, 8\], and not \[12, 16\]"):
        score(tmp_path)
    file.write_bytes(b"no weights")
    with pytest.raises(BadData, match="cannot be loaded"):
        score(tmp_path)
    file.unlink()
    with pytest.raises(MissingInput, match="no weights at"):
        score(tmp_path)


def test_processors_must_be_there(tmp_path: Path) -> None:
    small_clip(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(MissingInput, match=r"no preprocessor_config\.json"):
        score(tmp_path)
    clip_processors(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    with pytest.raises(MissingInput, match="no tokenizer"):
        score(tmp_path)
