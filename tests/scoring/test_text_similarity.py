"""BERTScore on a published layout, against the formula by hand; which layer; and what is no text encoder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from components.core.errors import BadData, BadRequest, MissingInput
from components.scoring.rewards.text_similarity import TextSimilarity, prescribed_layer
from tests.scoring.captioners.small_models import deberta, llava, roberta


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deberta(tmp_path_factory.mktemp("t5-models") / "deberta")


def by_hand(path: Path, layer: int, caption: str, reference: str) -> dict[str, float]:
    """Greedy matching of token vectors; [CLS] and [SEP] may be matched, and count for nothing themselves."""
    model, tokenizer = AutoModel.from_pretrained(path).eval(), AutoTokenizer.from_pretrained(path)

    def vectors(text: str) -> np.ndarray:
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states[layer][0]
        unit: np.ndarray = (hidden / hidden.norm(dim=-1, keepdim=True)).numpy()
        return unit

    cosine = vectors(caption) @ vectors(reference).T
    precision, recall = cosine.max(1)[1:-1].mean(), cosine.max(0)[1:-1].mean()
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall)}


@pytest.mark.parametrize("layer", [1, 3])
def test_the_scores_are_those_of_the_formula(path: Path, layer: int) -> None:
    """The classifier that was published with the encoder is left aside; so is every layer above the one asked for."""
    pairs = [("a cat", "The image contains a cat"), ("two dogs in a park", "The image contains a fox riding a bike")]
    scores = TextSimilarity(str(path), layer=layer).compare(*map(list, zip(*pairs, strict=True)))
    for (caption, reference), score in zip(pairs, scores, strict=True):
        assert score == pytest.approx(by_hand(path, layer, caption, reference), abs=1e-5)


def test_an_encoder_that_is_published_without_a_pooler_is_whole(tmp_path: Path) -> None:
    """roberta-large, bert-score's own choice: nothing behind the last layer counts. A text begins with a space."""
    path = roberta(tmp_path / "roberta")
    assert not any("pooler" in name for name in load_file(path / "model.safetensors"))
    (score,) = TextSimilarity(str(path)).compare(["two dogs"], ["The image contains a dog"])
    assert score == pytest.approx(by_hand(path, 2, " two dogs", " The image contains a dog"), abs=1e-5)


def test_the_layer_is_the_prescribed_one_or_the_last(path: Path) -> None:
    """40 of 48 for the paper's encoder: bert-score's own table, by correlation with people."""
    assert prescribed_layer("microsoft/deberta-xlarge-mnli") == 40
    assert prescribed_layer("roberta-large") == 17
    assert TextSimilarity(str(path)).identity()["layer"] == 3
    assert TextSimilarity("tiny").identity()["layer"] == 2
    with pytest.raises(BadRequest, match=r"text_encoder_layer = 4, and .* has 3 layers"):
        TextSimilarity(str(path), layer=4)


def test_what_is_no_whole_text_encoder_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no directory at /no/where"):
        TextSimilarity("/no/where")
    with pytest.raises(BadRequest, match="is no encoder like BERT"):
        TextSimilarity(str(llava(tmp_path / "llava")))
    weightless, toothless, ragged = (deberta(tmp_path / name) for name in ("weightless", "toothless", "ragged"))
    (weightless / "pytorch_model.bin").unlink()
    with pytest.raises(MissingInput, match="no weights at"):
        TextSimilarity(str(weightless))
    tensors = torch.load(ragged / "pytorch_model.bin")
    del tensors["deberta.encoder.layer.1.output.dense.weight"]
    torch.save(tensors, ragged / "pytorch_model.bin")
    with pytest.raises(BadData, match=r"has no encoder\.layer\.1\.output\.dense\.weight"):
        TextSimilarity(str(ragged))
    plain = {"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = AutoTokenizer.from_pretrained(toothless).backend_tokenizer
    tokenizer.post_processor = None
    tokenizer.save(str(toothless / "tokenizer.json"))
    (toothless / "tokenizer_config.json").write_text(json.dumps(plain))
    with pytest.raises(BadRequest, match=r"puts no \[CLS\] and \[SEP\] around a text"):
        TextSimilarity(str(toothless))
