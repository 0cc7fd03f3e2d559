"""Batch sizes are found by trying: what fits, what is fast, and no more tries than that takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from components.core.config import BaseModelConfig, PromptsConfig, RunConfig, SamplerConfig
from components.training import fitting
from components.training.fitting import Measure, Search, Trial, search
from dags.pipeline import presets


def trier(seconds: Any, memory: int = 10**9) -> tuple[Any, list[int]]:
    """A device with room for `memory` at once, and what it was asked."""
    asked: list[int] = []

    def try_size(size: int) -> Trial | None:
        asked.append(size)
        return Trial(size, seconds(size), peak_bytes=size) if size <= memory else None

    return try_size, asked


def test_between_what_fits_and_what_does_not_it_halves() -> None:
    """Room for 11: 16 is too much and 12 is; 10 fits, and 11 does."""
    try_size, asked = trier(lambda size: 1 / size, memory=11)
    found = search(try_size, most=1000)
    assert asked == [1, 2, 4, 8, 16, 12, 10, 11]
    assert (found.best.size, found.too_large) == (11, (12, 16))


def test_a_close_enough_bound_ends_the_halving() -> None:
    """Of 96 that fit, an eighth is 12: 112 and then 104 are still worth a try, 100 is not."""
    try_size, asked = trier(lambda size: 1 / size, memory=99)
    search(try_size, most=1000)
    assert asked == [1, 2, 4, 8, 16, 32, 64, 128, 96, 112]


def test_where_nothing_is_gained_by_two_doublings_it_ends() -> None:
    """Four are as fast as it gets; the smallest of the fast is the best, within three per cent."""
    try_size, asked = trier(lambda size: {1: 4.0, 2: 2.0, 4: 1.0, 8: 0.99}.get(size, 0.98))
    found = search(try_size, most=1000)
    assert asked == [1, 2, 4, 8, 16]
    assert found.best.size == 4


def test_it_never_tries_more_than_there_is_to_do_and_not_past_its_time() -> None:
    try_size, asked = trier(lambda size: 1 / size)
    assert search(try_size, most=6).best.size == 6
    assert asked == [1, 2, 4, 6]
    assert search(try_size, most=6, deadline=lambda: True).best.size == 1


@pytest.fixture
def small(pipeline_path: Path) -> RunConfig:
    return RunConfig(
        base=BaseModelConfig(model=str(pipeline_path)),
        prompts=PromptsConfig(prompts=2, samples_per_prompt=2, shards=1),
        sampler=SamplerConfig(steps=5, batch=4),
    )


def test_memory_that_ends_is_an_answer_and_every_other_error_is_an_error(
    small: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The allocator's own refusal, of an exbibyte."""
    measure = Measure(small)
    monkeypatch.setattr(fitting, "rollout", lambda *args: torch.empty(2**60, dtype=torch.uint8))
    assert measure.picture(1) is None
    monkeypatch.setattr(fitting, "rollout", lambda *args: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        measure.picture(1)


def test_an_adapter_that_was_measured_has_moments_like_one_that_is_trained(small: RunConfig) -> None:
    """Else a full device would end the first real update."""
    measure = Measure(small)
    assert measure.pair(7) is not None  # seven pairs of two samples' five steps
    assert measure.pairs == 1 * 5  # four samples in four updates
    parameters = [p for p in measure.policy.unet.parameters() if p.requires_grad]
    assert len(measure._optimizer.state) == len(parameters) > 0


def test_the_iteration_is_the_sum_of_its_pictures_and_pairs(small: RunConfig) -> None:
    """4 pictures of 30 s are 2 min; 4 · 5 pairs of 3 s are 1 min."""
    sampling, training = Search((Trial(2, 30.0, 2**30),), (4,)), Search((Trial(8, 3.0, 2**31),), ())
    page = fitting.report(small, sampling, training, place="a GPU")
    assert "An iteration of 4 pictures: 2.0 min of sampling and 1.0 min of training" in page
    assert re.search(r"^ +4 +out of memory$", page, re.MULTILINE)
    assert "CPU" not in page


def test_what_it_says_to_paste_is_a_config(small: RunConfig) -> None:
    """The command is the page's on bringing a model: tests/test_bring_your_model.py runs it."""
    page = fitting.fit(small, seconds=0.1)
    assert "Memory is not the limit on a CPU" in page
    overrides = re.findall(r"--set (\S+)", page)
    assert len(overrides) == 2
    assert presets.resolve("smoke", overrides).sampler.batch <= 4  # a shard's pictures
