"""The judge: a small CLIP that compares pictures with texts.

It is never a reward. It was trained from another seed, on other drawings and with another architecture than the
captioner, so it can say whether a policy that pleases the captioner still draws the animal.
"""

# N pictures · M texts
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from components.policy.tiny.animals import ANIMALS
from components.policy.tiny.captions import with_article
from components.policy.tiny.pixels import from_pictures


def untrained_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """A vision transformer on 4x4 patches and a two-layer text tower (0.45 M parameters)."""
    return CLIPModel(
        CLIPConfig(
            text_config={
                "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
                "num_attention_heads": 4, "max_position_embeddings": tokenizer.model_max_length,
                "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
                "pad_token_id": tokenizer.pad_token_id,
            },
            vision_config={
                "image_size": 32, "patch_size": 4, "hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 4,
                "num_attention_heads": 4,
            },
            projection_dim=64,
        )
    )  # fmt: skip


class Judge:
    """A trained `CLIPModel` and its tokenizer."""

    def __init__(self, model: CLIPModel, tokenizer: CLIPTokenizer) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer

    @classmethod
    def load(cls, path: str | Path) -> Judge:
        """From a transformers directory, in single precision."""
        model = CLIPModel.from_pretrained(path, dtype=torch.float32, local_files_only=True)
        return cls(model, CLIPTokenizer.from_pretrained(path, local_files_only=True))

    @torch.no_grad()
    def similarity(self, pictures: Sequence[Image.Image], texts: Sequence[str]) -> np.ndarray:
        """Logits [N, M]: cosine similarity times the trained temperature; comparable along M."""
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(self.model.device)
        pixels = from_pictures(pictures).to(self.model.device)
        logits_NM: np.ndarray = self.model(**tokens, pixel_values=pixels).logits_per_image.cpu().numpy()
        return logits_NM

    def animal_probabilities(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """Softmax over the sixty prompts "a cat", "an ant", ...: [N, 60]."""
        logits = torch.from_numpy(self.similarity(pictures, [with_article(animal) for animal in ANIMALS]))
        p_NA: np.ndarray = logits.softmax(-1).numpy()
        return p_NA

    def names_animal(self, pictures: Sequence[Image.Image]) -> list[str]:
        """Zero-shot: the animal whose prompt is nearest."""
        return [ANIMALS[index] for index in self.animal_probabilities(pictures).argmax(-1)]

    def probability(self, pictures: Sequence[Image.Image], animals: Sequence[str]) -> np.ndarray:
        """The probability of the animal that each picture should show: [N]."""
        columns = [ANIMALS.index(animal) for animal in animals]
        return self.animal_probabilities(pictures)[np.arange(len(columns)), columns]
