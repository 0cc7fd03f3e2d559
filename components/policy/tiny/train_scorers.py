"""Train the captioner and the judge on drawings that were blurred, shifted and made noisy.

Reads    drawn pictures, uint8, and their subjects      Writes   nothing: returns the models      Needs   minutes
"""

# B pictures · M texts
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from components.policy.tiny.animals import ANIMALS, Subject
from components.policy.tiny.captioner import NO_ACTIVITY, Captioner
from components.policy.tiny.captions import caption, with_article
from components.policy.tiny.judge import Judge, untrained_clip
from components.policy.tiny.optimising import Average, adamw
from components.policy.tiny.pixels import disturb, from_array
from components.policy.tiny.tokenizer import clip_tokenizer

CAPTIONER_BATCH, JUDGE_BATCH = 128, 96


def train_captioner(
    pictures: np.ndarray, subjects: Sequence[Subject], *, steps: int, seed: int, device: str = "cpu"
) -> Captioner:
    """Cross-entropy on both heads, with smoothed labels: a probability is a finer reward than a certainty."""
    torch.manual_seed(seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    captioner = Captioner()
    captioner.to(device).train()
    animal_N = torch.tensor([captioner.animals.index(s.animal) for s in subjects])
    activity_N = torch.tensor([captioner.activities.index(s.activity or NO_ACTIVITY) for s in subjects])
    optimiser, schedule = adamw(captioner.parameters(), steps, 2e-3)
    bar = tqdm(range(steps), desc="captioner", mininterval=5)
    for _ in bar:
        rows = rng.integers(len(pictures), size=CAPTIONER_BATCH)
        x = disturb(from_array(pictures[rows]).to(device), generator)
        animal, activity = captioner(x)
        loss = functional.cross_entropy(animal, animal_N[rows].to(device), label_smoothing=0.05)
        loss = loss + functional.cross_entropy(activity, activity_N[rows].to(device), label_smoothing=0.05)
        _step(loss, optimiser, schedule, captioner)
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    captioner.eval()
    return captioner


def train_judge(
    pictures: np.ndarray, subjects: Sequence[Subject], *, steps: int, seed: int, device: str = "cpu"
) -> Judge:
    """Two contrasts: the sixty plain prompts on every picture, and the full captions within the batch."""
    torch.manual_seed(seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    tokenizer = clip_tokenizer()
    model = untrained_clip(tokenizer).to(device).train()
    prompts = [with_article(animal) for animal in ANIMALS]
    animal_N = np.array([ANIMALS.index(s.animal) for s in subjects])
    optimiser, schedule = adamw(model.parameters(), steps, 1e-3)
    average = Average([model], decay=0.998)
    bar = tqdm(range(steps), desc="judge", mininterval=5)
    for _ in bar:
        rows = rng.integers(len(pictures), size=JUDGE_BATCH)
        said = [caption(subjects[row]) for row in rows]
        texts = [*prompts, *sorted(set(said) - set(prompts))]
        tokens = tokenizer(texts, padding=True, return_tensors="pt").to(device)
        x = disturb(from_array(pictures[rows]).to(device), generator, blur=1.1, noise=0.2)
        logits_BM = model(**tokens, pixel_values=x).logits_per_image
        plain = functional.cross_entropy(logits_BM[:, : len(prompts)], torch.from_numpy(animal_N[rows]).to(device))
        loss = plain + _contrast(logits_BM, torch.tensor([texts.index(text) for text in said], device=device))
        _step(loss, optimiser, schedule, model)
        average.update()
        bar.set_postfix(loss=f"{loss.item():.3f}", plain=f"{plain.item():.3f}", refresh=False)
    average.store()
    return Judge(model, tokenizer)


def _contrast(logits_BM: Tensor, right_B: Tensor) -> Tensor:
    """Each picture among all texts, and each text that was said among all pictures (several may be right)."""
    over_texts = functional.cross_entropy(logits_BM, right_B)
    said = right_B.unique()
    right_SB = (right_B[None, :] == said[:, None]).float()
    over_pictures = -(right_SB * logits_BM.T[said].log_softmax(-1)).sum(-1) / right_SB.sum(-1)
    return (over_texts + over_pictures.mean()) / 2


def _step(loss: Tensor, optimiser: Optimizer, schedule: LRScheduler, model: torch.nn.Module) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    schedule.step()
