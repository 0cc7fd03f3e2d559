"""BERTScore (arXiv 1904.09675) of a caption against what the picture should show: greedy matching of token vectors.

Recall asks how much of the reference the caption says, precision how much of the caption the reference says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import JsonValue

from components.core.errors import BadRequest
from components.scoring.rewards import embedded


class TextSimilarity:
    """bert-score on a text encoder: `tiny` is the embedded one, anything else a directory in transformers' layout."""

    def __init__(self, encoder: str) -> None:
        from bert_score import BERTScorer  # drags in matplotlib and pandas: only who compares texts waits for them
        from transformers import AutoConfig

        self._path = embedded.directory("text_encoder") if encoder == "tiny" else Path(encoder).expanduser()
        if not (self._path / "config.json").is_file():
            raise BadRequest(f"no text encoder at {self._path}", hint="`tiny`, or a directory in transformers' layout")
        layers = AutoConfig.from_pretrained(self._path).num_hidden_layers
        device = "cpu" if encoder == "tiny" else None  # None: a GPU where there is one
        self._scorer = BERTScorer(model_type=str(self._path), num_layers=layers, nthreads=0, device=device)
        _mend(self._scorer)

    def identity(self) -> dict[str, JsonValue]:
        """Weights and library versions."""
        return embedded.identity(self._path, "torch", "transformers", "bert-score")

    def compare(self, captions: list[str], references: list[str]) -> list[dict[str, float]]:
        """Precision, recall and F1 of each caption against its reference, in [-1, 1], not rescaled."""
        if not captions:
            return []
        columns = [column.tolist() for column in self._scorer.score(captions, references)]
        return [{"precision": p, "recall": r, "f1": f} for p, r, f in zip(*columns, strict=True)]


def _mend(scorer: Any) -> None:
    """Two breakages of bert-score 0.3.13 with transformers 5: endless `model_max_length`, and empty texts."""
    tokenizer, model = scorer._tokenizer, scorer._model
    longest = model.config.max_position_embeddings - 2
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest)
    tokenizer.build_inputs_with_special_tokens = lambda ids, _=None: [
        tokenizer.cls_token_id,
        *ids,
        tokenizer.sep_token_id,
    ]
