"""PickScore, against the lines that its authors publish for using it, on small weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import CLIPModel, CLIPProcessor

from components.scoring.rewards.pick_score import PickScore, PickScoreOptions
from tests.scoring.rewards.published import TEXTS, pictures, rows, small_clip


def test_score_is_the_logit_of_the_models_own_forward_pass(weights: Path, tmp_path: Path) -> None:
    """exp(logit_scale) is 100 in the published weights; another one counts too."""
    small_clip(tmp_path, logit_scale=3.0)
    processor = CLIPProcessor.from_pretrained(weights / "clip")
    inputs = processor(text=TEXTS, images=pictures(), return_tensors="pt", padding=True)
    with torch.no_grad():
        logits = CLIPModel.from_pretrained(tmp_path).eval()(**inputs).logits_per_image
    reward = PickScore(PickScoreOptions(model=str(tmp_path), processors=str(weights / "clip")))
    scores = reward.score(pictures(), rows())
    assert [found.reward for found in scores] == pytest.approx(logits.diagonal().tolist(), abs=1e-5)
    assert scores[0].parts["cosine"] == pytest.approx(scores[0].reward / 20.0855369, abs=1e-7)  # e^3
