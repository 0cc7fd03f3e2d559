"""Committed shards of drawn pictures, through the real store."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from components.core import store
from components.core.config import BaseModelConfig, RewardConfig, SamplerConfig
from components.core.contracts import PolicyRef, SamplingRequest, SamplingResult, ScoringRequest
from components.core.records import PromptRow, RewardRow, SampleRow, dump_rows


def flat(side: int = 32, colour: tuple[int, int, int] = (128, 128, 128)) -> Image.Image:
    return Image.new("RGB", (side, side), colour)


def noise(seed: int = 0, side: int = 32) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def prompt(animal: str | None = "cat", activity: str | None = None, index: int = 0) -> PromptRow:
    text = " ".join(["a", animal or "teapot", activity or ""]).strip()
    return PromptRow(
        prompt_id=text.replace(" ", "-"), index=index, text=text, split="train", animal=animal, activity=activity
    )


def prompts(count: int) -> list[PromptRow]:
    return [prompt(index=i) for i in range(count)]


def encode(picture: Image.Image, format: str = "PNG", **settings: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format=format, **settings)
    return file.getvalue()


def commit_shard(
    root: str,
    pictures: Sequence[Image.Image],
    rows: Sequence[PromptRow] | None = None,
    *,
    spoil: Callable[[str, bytes], bytes] = lambda path, data: data,
) -> str:
    """Prefix of a committed shard. `spoil` sees each file before it is written, and says what is written instead."""
    prefix = f"{root}/sampling"
    request = SamplingRequest(
        out=prefix,
        prompts=f"{root}/prompts",
        shard=0,
        shards=1,
        policy=PolicyRef(base=BaseModelConfig()),
        seed=0,
        sampler=SamplerConfig(),
    )
    samples = [
        SampleRow(**row.model_dump(), seed=i, picture_sha256=hashlib.sha256(picture.tobytes()).hexdigest())
        for i, (row, picture) in enumerate(zip(rows or prompts(len(pictures)), pictures, strict=True))
    ]
    with store.Attempt(prefix, step="sampling") as attempt:
        for sample, picture in zip(samples, pictures, strict=True):
            attempt.write(sample.picture, spoil(sample.picture, encode(picture)))
        attempt.write("samples.jsonl", dump_rows(samples))
        attempt.commit(request, SamplingResult(policy_id="sha256:none", samples=len(samples)))
    return prefix


def scoring_request(root: str, *scorers: RewardConfig, out: str = "scoring") -> ScoringRequest:
    return ScoringRequest(out=f"{root}/{out}", sampling=f"{root}/sampling", scorers=scorers)


def reward_rows(request: ScoringRequest) -> list[RewardRow]:
    return store.open_committed(request.out).rows("rewards.jsonl", RewardRow)
