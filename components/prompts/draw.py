"""Which prompts an iteration draws, and how an evaluation set is laid out. Pure: no store, no clock.

Training walks through the list over and over, each time (an epoch) in another order; iteration k takes the next n
prompts. So no prompt is drawn twice before each was drawn once, and after any number of iterations two prompts differ
by at most one draw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from components.core.records import PromptRow
from components.core.seeds import derive_seed
from components.prompts.wording import Prompt

TRAIN = "train"
"""The split of every training row."""


def epoch_order(prompts: list[Prompt], seed: int, epoch: int) -> list[Prompt]:
    """The list in the order of one epoch: a function of the seed and the prompts, not of how the list is sorted."""
    return sorted(prompts, key=lambda prompt: derive_seed("prompts", seed, epoch, prompt.id))


def draw_prompts(prompts: list[Prompt], seed: int, iteration: int, n: int) -> list[Prompt]:
    """The n prompts of an iteration. One that stands at the end of an epoch may return at the start of the next."""
    start = iteration * n
    epochs = range(start // len(prompts), (start + n - 1) // len(prompts) + 1)
    walked = [prompt for epoch in epochs for prompt in epoch_order(prompts, seed, epoch)]
    skipped = start - epochs[0] * len(prompts)
    return walked[skipped : skipped + n]


def training_rows(drawn: list[Prompt], samples_per_prompt: int) -> list[PromptRow]:
    """One row a picture, prompt by prompt. The index of a prompt that was drawn twice goes on, so ids stay unique."""
    used: Counter[str] = Counter()
    rows = []
    for prompt in drawn:
        for _ in range(samples_per_prompt):
            rows.append(_row(prompt, used[prompt.id], TRAIN))
            used[prompt.id] += 1
    return rows


def evaluation_rows(prompts: Iterable[tuple[str, Prompt]], seeds: int) -> list[PromptRow]:
    """Every (split, prompt) with every seed, in the set's order."""
    return [_row(prompt, index, split) for split, prompt in prompts for index in range(seeds)]


def _row(prompt: Prompt, index: int, split: str) -> PromptRow:
    return PromptRow(
        prompt_id=prompt.id,
        index=index,
        text=prompt.text,
        split=split,
        animal=prompt.animal,
        activity=prompt.activity,
        count=prompt.count,
    )
