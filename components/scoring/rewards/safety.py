"""Whether a picture is fit to show: 1, or 0 where diffusers' safety checker flags it.

A CLIP image tower whose embedding is held against those of unwanted concepts. Its weights are not part of the
repository: the `safety_checker` and `feature_extractor` folders of a Stable Diffusion 1.x, together in one directory.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pydantic import JsonValue

from components.core.config import Contract
from components.core.errors import BadRequest, MissingInput
from components.core.records import PromptRow
from components.scoring.rewards import embedded
from components.scoring.rewards.reward import Score

FILES = ("config.json", "preprocessor_config.json")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class SafetyOptions(Contract):
    """Where the checker lies."""

    model: str
    """Directory with config.json, model.safetensors (or pytorch_model.bin) and preprocessor_config.json."""


class Safety:
    """1 fit to show, 0 flagged."""

    Options = SafetyOptions

    def __init__(self, options: SafetyOptions) -> None:
        from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
        from transformers import CLIPImageProcessorPil  # the other one rounds otherwise, where torchvision is

        self._path = _directory(options.model)
        checker, loading = StableDiffusionSafetyChecker.from_pretrained(
            self._path, local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
        if random := sorted(loading["missing_keys"]):  # a checker with random weights passes anything
            raise BadRequest(f"{self._path} has no weights for {random[0]}: it is no whole safety checker")
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._checker = checker.eval().to(self._device)
        self._processor = CLIPImageProcessorPil.from_pretrained(self._path, local_files_only=True)

    def identity(self) -> dict[str, JsonValue]:
        """Weights and library versions."""
        return {"version": 1, **embedded.identity(self._path, "torch", "transformers", "diffusers")}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """1.0 or 0.0 a picture. The checker blackens what it flags: it is given other arrays."""
        pixels = self._processor(pictures, return_tensors="pt").pixel_values.to(self._device)
        _, flagged = self._checker(images=[np.zeros(1)] * len(pictures), clip_input=pixels)
        return [Score(0.0 if flag else 1.0) for flag in flagged]


def _directory(model: str) -> Path:
    path = Path(model).expanduser()
    lacking = [name for name in FILES if not (path / name).is_file()]
    if not any((path / name).is_file() for name in WEIGHTS):
        lacking.append(WEIGHTS[0])
    if lacking:
        raise MissingInput(
            f"no safety checker at {path}: {', '.join(lacking)} is not there",
            hint="copy the safety_checker and feature_extractor folders of a Stable Diffusion 1.x into it",
        )
    return path
