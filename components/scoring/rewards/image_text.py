"""A CLIP or a SigLIP of transformers, with its own processors: how like are a picture and a text."""

# N pictures or texts · D size of an embedding
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from pydantic import JsonValue
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

from components.core.errors import BadRequest, MissingInput
from components.scoring.rewards.pretrained import Precision, load_model, read_config

FAMILIES = ("clip", "siglip", "siglip2")
"""`model_type` of what compares pictures with texts. SigLIP 2 of a fixed size is a `siglip`."""


VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model")
"""Where a tokenizer's words are, by its kind."""
Prepare = Callable[[Sequence[Image.Image]], Mapping[str, torch.Tensor]]
"""From pictures to what a picture encoder takes: at least `pixel_values` [N, ...]."""


@dataclass(frozen=True)
class Likeness:
    """How like a picture and a text are."""

    cosine: float
    cut: int
    """Tokens of the text that the encoder never saw: it was longer than the encoder's limit."""

    @property
    def parts(self) -> dict[str, JsonValue]:
        """`cosine`; and `truncated`, tokens, where the text was cut."""
        return {"cosine": self.cosine, **truncation(self.cut)}


class ImageTextModel:
    """Embeds pictures and texts in one space."""

    def __init__(self, model: Any, prepare: Prepare, tokenizer: Any) -> None:
        self.model, self._prepare, self._tokenizer = model, prepare, tokenizer
        self._longest: int = model.config.text_config.max_position_embeddings
        self._is_clip = model.config.model_type == "clip"

    @classmethod
    def load(cls, directory: Path, precision: Precision, *, processors: Path | None = None) -> ImageTextModel:
        """From a directory in transformers' layout; `processors`: where its processors are, if not beside it.

        Raises BadRequest if the model is neither CLIP nor SigLIP, and as `load_model` does.
        """
        family = read_config(AutoConfig, directory).model_type
        if family not in FAMILIES:
            raise BadRequest(f"{directory} holds a {family}", hint=f"there is {', '.join(FAMILIES)}")
        beside = processors or directory
        return cls(load_model(AutoModel, directory, precision), picture_processor(beside), text_processor(beside))

    @property
    def scale(self) -> float:
        """The trained temperature: exp(logit_scale)."""
        return float(self.model.logit_scale.detach().double().exp())

    @property
    def bias(self) -> float | None:
        """The trained bias of a SigLIP; a CLIP has none."""
        return None if self._is_clip else float(self.model.logit_bias.detach())

    @torch.inference_mode()
    def compare(self, pictures: Sequence[Image.Image], texts: Sequence[str]) -> list[Likeness]:
        """Each picture with the text of its place. A text that stands there often is read once."""
        if not pictures:
            return []
        pictures_ND = self.embed_pictures(pictures)
        different = list(dict.fromkeys(texts))
        texts_ND, cuts = self.embed_texts(different)
        place_N = [different.index(text) for text in texts]
        cosine_N = (pictures_ND * texts_ND[place_N]).sum(-1).tolist()
        return [Likeness(cosine, cuts[place]) for cosine, place in zip(cosine_N, place_N, strict=True)]

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """[N, D] in double precision, each of norm 1."""
        inputs = {name: tensor.to(self.model.device) for name, tensor in self._prepare(pictures).items()}
        inputs["pixel_values"] = inputs["pixel_values"].to(self.model.dtype)
        return unit(self.model.get_image_features(**inputs).pooler_output)

    def embed_texts(self, texts: Sequence[str]) -> tuple[torch.Tensor, list[int]]:
        """[N, D] in double precision, each of norm 1; and how many tokens of each text were cut off."""
        # SigLIP was trained on small letters, always padded, and with nothing masked.
        texts = list(texts) if self._is_clip else [text.lower() for text in texts]
        tokens = tokenize(self._tokenizer, texts, self._longest)
        inputs = tokens if self._is_clip else {"input_ids": tokens["input_ids"]}
        on_device = {name: tensor.to(self.model.device) for name, tensor in inputs.items()}
        vectors_ND = self.model.get_text_features(**on_device).pooler_output
        return unit(vectors_ND), cut_tokens(self._tokenizer, texts, self._longest)


def picture_processor(directory: Path) -> Prepare:
    """What the weights' own preprocessor_config.json does to pictures. Raises MissingInput without one.

    Always by Pillow, also where torchvision is installed, which rounds otherwise.
    """
    try:
        processor = AutoImageProcessor.from_pretrained(directory, local_files_only=True, backend="pil")
    except (OSError, ValueError):
        raise MissingInput(f"{directory} has no preprocessor_config.json", hint="it is published beside it") from None
    return lambda pictures: dict(processor(list(pictures), return_tensors="pt"))


def text_processor(directory: Path) -> Any:
    """The tokenizer that the weights were published with. Raises MissingInput without one."""
    if not any((directory / name).is_file() for name in VOCABULARIES):  # transformers would make up an empty one
        raise MissingInput(f"{directory} has no tokenizer: none of {', '.join(VOCABULARIES)} is there")
    try:
        return AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise MissingInput(f"{directory} has no tokenizer that can be loaded: {reason}") from None


def tokenize(tokenizer: Any, texts: Sequence[str], longest: int) -> dict[str, torch.Tensor]:
    """Tokens [N, longest], so that no text's score depends on its neighbours' length."""
    padding = {"padding": "max_length", "truncation": True, "max_length": longest}
    return dict(tokenizer(list(texts), return_tensors="pt", **padding))


def cut_tokens(tokenizer: Any, texts: Sequence[str], longest: int) -> list[int]:
    """How many tokens of each text are beyond the encoder's limit."""
    return [max(0, len(ids) - longest) for ids in tokenizer(list(texts), verbose=False)["input_ids"]]


def truncation(cut: int) -> dict[str, JsonValue]:
    """A part that says how many tokens were cut off, where any were.

    >>> truncation(0), truncation(3)
    ({}, {'truncated': 3})
    """
    return {"truncated": cut} if cut else {}


def unit(vectors_ND: torch.Tensor) -> torch.Tensor:
    """Each row over its norm, in double precision: half precision does not reach the cosine."""
    return torch.nn.functional.normalize(vectors_ND.double(), dim=-1)
