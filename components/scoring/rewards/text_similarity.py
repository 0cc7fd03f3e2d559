"""BERTScore (arXiv 1904.09675) of a caption against what the picture should show: greedy matching of token vectors.

Recall asks how much of the reference the caption says, precision how much of the caption the reference says.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue
from transformers import MODEL_MAPPING, AutoConfig, AutoModel, AutoTokenizer, RobertaTokenizer

from components.core import weights
from components.core.errors import BadRequest, MissingInput
from components.scoring.rewards import embedded
from components.scoring.rewards.pretrained import library_versions, load_model

LIBRARIES = ("torch", "transformers", "bert-score")


class TextSimilarity:
    """bert-score on a text encoder.

    encoder   `tiny` is the embedded one; else a hub id, or a directory in transformers' layout
    layer     whose vectors are compared, from 1. None: as bert-score prescribes for the hub id, else the last
    """

    def __init__(self, encoder: str, revision: str | None = None, layer: int | None = None) -> None:
        self._encoder, self._revision = encoder, revision
        path = embedded.directory("text_encoder") if encoder == "tiny" else weights.directory(encoder, revision)
        model = load_model(AutoModel, path, **_without_pooler(path))
        self._model = model.cpu() if encoder == "tiny" else model  # so small that a CPU is faster
        self.layer = _cut(model, layer or prescribed_layer(encoder), encoder)
        self._tokenizer = _mended(_tokenizer(path), model)

    def identity(self) -> dict[str, JsonValue]:
        """Weights, layer and library versions."""
        if self._encoder == "tiny":
            who = embedded.identity(embedded.directory("text_encoder"), *LIBRARIES)
        else:
            who = {"weights": weights.identify(self._encoder, self._revision), **library_versions(*LIBRARIES)}
        return {**who, "layer": self.layer}

    def compare(self, captions: list[str], references: list[str]) -> list[dict[str, float]]:
        """Precision, recall and F1 of each caption against its reference, in [-1, 1], not rescaled."""
        from bert_score.utils import bert_cos_score_idf

        if not captions:
            return []
        every_word_counts = defaultdict(lambda: 1.0, {self._tokenizer.cls_token_id: 0, self._tokenizer.sep_token_id: 0})
        scores = bert_cos_score_idf(
            self._model, references, captions, self._tokenizer, every_word_counts, device=self._model.device
        )
        return [{"precision": p, "recall": r, "f1": f} for p, r, f in scores.tolist()]


def prescribed_layer(encoder: str) -> int | None:
    """The layer that agrees best with people, by the table of bert-score; None for an encoder that it does not list.

    >>> prescribed_layer("microsoft/deberta-xlarge-mnli"), prescribed_layer("/models/my-encoder")
    (40, None)
    """
    from bert_score.utils import model2layers  # drags in matplotlib and pandas: only who compares texts waits for them

    layer: int | None = model2layers.get(encoder)
    return layer


def _without_pooler(path: Path) -> dict[str, Any]:
    """No layer is compared behind the last one, and encoders such as roberta-large are published without it."""
    try:
        model_class = MODEL_MAPPING[type(AutoConfig.from_pretrained(path, local_files_only=True))]
    except (KeyError, ValueError) as error:
        raise BadRequest(f"{path} is no text encoder: {str(error).splitlines()[0][:100]}") from None
    has_a_choice = "add_pooling_layer" in inspect.signature(model_class).parameters
    return {"add_pooling_layer": False} if has_a_choice else {}


def _tokenizer(path: Path) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        if isinstance(tokenizer, RobertaTokenizer):  # bert-score asks for it at each text, which transformers 5 ignores
            tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, add_prefix_space=True)
    except (OSError, ValueError) as error:
        raise MissingInput(f"{path} holds no tokenizer: {str(error).splitlines()[0]}") from None
    first, *_, last = tokenizer("a word").input_ids
    if (first, last) != (tokenizer.cls_token_id, tokenizer.sep_token_id):  # bert-score takes two tokens for no text
        raise BadRequest(f"the tokenizer at {path} puts no [CLS] and [SEP] around a text", hint="is it an encoder's?")
    return tokenizer


def _cut(model: Any, layer: int | None, encoder: str) -> int:
    """Drop the layers above the one that is compared, and return its number. BERTScorer would do so too, but it would
    also load models with a layer left random, and take any path with `t5` in it for a T5."""
    layers = getattr(getattr(model, "encoder", None), "layer", None)
    if layers is None:
        raise BadRequest(
            f"{type(model).__name__} of {encoder} is no encoder like BERT", hint="choose another text_encoder"
        )
    layer = len(layers) if layer is None else layer
    if layer > len(layers):
        raise BadRequest(f"text_encoder_layer = {layer}, and {encoder} has {len(layers)} layers")
    model.encoder.layer = torch.nn.ModuleList(layers[:layer])
    return layer


def _mended(tokenizer: Any, model: Any) -> Any:
    """Two breakages of bert-score 0.3.13 with transformers 5: endless `model_max_length`, and empty texts."""
    longest = model.config.max_position_embeddings - 2
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest)
    tokenizer.build_inputs_with_special_tokens = lambda ids, _=None: [
        tokenizer.cls_token_id,
        *ids,
        tokenizer.sep_token_id,
    ]
    return tokenizer
