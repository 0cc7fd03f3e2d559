"""A small real campaign in a store, up to the training step: prompts and rewards are given, samples are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.core import store
from components.core.config import (
    AdvantageConfig,
    BaseModelConfig,
    LoraConfig,
    PromptsConfig,
    RewardConfig,
    RunConfig,
    SamplerConfig,
    TrainingConfig,
)
from components.core.contracts import (
    Manifest,
    PromptsRequest,
    PromptsResult,
    ScoringRequest,
    ScoringResult,
    StepName,
    TrainingRequest,
)
from components.core.layout import RunLayout
from components.core.plan import iteration_requests
from components.core.records import PromptRow, RewardRow, SampleRow, dump_rows
from components.core.runner import run_request

ANIMALS = ("cat", "dog", "fox", "owl")
Reward = Callable[[SampleRow], float | None]


def pixel_reward(row: SampleRow) -> float:
    """Any number that differs from picture to picture and repeats with it."""
    return int(row.picture_sha256[:6], 16) / 0xFFFFFF


@dataclass
class SmallRun:
    """A run whose iterations are played step by step."""

    run: RunLayout
    config: RunConfig

    def draw(self, k: int, *, reward: Reward = pixel_reward, scorer_id: str = "pixels@1") -> TrainingRequest:
        """Commit prompts, samples and rewards of iteration k; returns the training request, not yet run."""
        requests = iteration_requests(self.config, self.run, k)
        assert isinstance(requests["prompts"], PromptsRequest)
        commit_prompts(requests["prompts"], samples_per_prompt=self.config.prompts.samples_per_prompt)
        for name, request in requests.items():
            if name.startswith("sampling"):
                run_request(StepName.SAMPLING, request)
            elif isinstance(request, ScoringRequest):
                commit_rewards(request, reward, scorer_id)
        training = requests["training"]
        assert isinstance(training, TrainingRequest)
        return training

    def play(self, k: int, **options: object) -> Manifest:
        """The whole iteration."""
        return run_request(StepName.TRAINING, self.draw(k, **options))  # type: ignore[arg-type]


def small_run(root: str, base: Path, *, name: str = "small", **parts: object) -> SmallRun:
    """16 samples of 4 prompts in 2 shards at T=5, two updates, LoRA on everything with alpha unlike rank."""
    config = RunConfig(
        base=BaseModelConfig(model=str(base)),
        prompts=PromptsConfig(prompts=4, samples_per_prompt=4, shards=2),
        reward=RewardConfig(name="pixels"),
        **{
            "sampler": SamplerConfig(steps=5, batch=8),
            "training": TrainingConfig(
                updates=2, learning_rate=3e-2, clip_range=2.5e-3, micro_batch=16,
                lora=LoraConfig(rank=4, alpha=8), advantage=AdvantageConfig(kind="group"),
            ),
            **parts,
        },
    )  # fmt: skip
    return SmallRun(RunLayout.of(root, name), config)


def commit_prompts(request: PromptsRequest, *, samples_per_prompt: int) -> None:
    rows = [
        PromptRow(prompt_id=f"a-{animal}", index=i, text=f"a {animal}", split="train", animal=animal)
        for animal in ANIMALS
        for i in range(samples_per_prompt)
    ]
    if store.find(request.out) is None:
        with store.Attempt(request.out, step="prompts") as attempt:
            attempt.write("prompts.jsonl", dump_rows(rows))
            attempt.commit(request, PromptsResult(rows=len(rows), prompts=len(ANIMALS)))


def commit_rewards(request: ScoringRequest, reward: Reward, scorer_id: str) -> None:
    rows = [
        RewardRow(
            sample_id=row.sample_id, prompt_id=row.prompt_id, index=row.index, split=row.split, scorer="pixels",
            scorer_id=scorer_id, reward=(value := reward(row)), error=None if value is not None else "no answer",
        )
        for row in store.open_committed(request.sampling).rows("samples.jsonl", SampleRow)
    ]  # fmt: skip
    missing = sum(row.reward is None for row in rows)
    with store.Attempt(request.out, step="scoring") as attempt:
        attempt.write("rewards.jsonl", dump_rows(rows))
        result = ScoringResult(scorer_ids={"pixels": scorer_id}, scored=len(rows) - missing, missing=missing)
        attempt.commit(request, result)
