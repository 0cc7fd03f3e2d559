"""A run that nobody trained, through the real store, contracts, plan and evaluation step.

Pictures are drawn: a coloured body on a texture that grows with the policy's `level`. The reward is their true JPEG
size, so that curves, intervals and pictures agree; the judge loses sight of the animal as the texture grows.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from components.core import opening, plan, store
from components.core.config import RunConfig
from components.core.contracts import (
    EvaluationRequest,
    EvaluationResult,
    PromptsRequest,
    PromptsResult,
    SamplingRequest,
    SamplingResult,
    ScoringRequest,
    ScoringResult,
    StepName,
    TrainingRequest,
    TrainingResult,
)
from components.core.layout import RunLayout
from components.core.records import PromptRow, RewardRow, SampleRow, dump_rows
from components.core.runner import run_request
from components.core.seeds import derive_seed, sample_seed

SEEN = [
    "cat",
    "dog",
    "horse",
    "rabbit",
    "fox",
    "bear",
    "lion",
    "whale",
    "turtle",
    "frog",
    "duck",
    "bee",
    "pig",
    "camel",
    "zebra",
    "wolf",
]
HELD_OUT = [
    "elephant",
    "giraffe",
    "penguin",
    "owl",
    "crab",
    "panda",
    "donkey",
    "leopard",
    "parrot",
    "swan",
    "moose",
    "octopus",
]


@dataclass
class SyntheticRun:
    """Commits what the steps would, one call a step of the story."""

    root: str
    base_directory: Path
    iterations: int = 40
    every: int = 10
    seeds: int = 4
    seen: list[str] = field(default_factory=lambda: SEEN)
    held_out: list[str] = field(default_factory=lambda: HELD_OUT)
    run_id: str = "synthetic"
    overrides: dict[str, object] = field(default_factory=dict)
    score: Callable[[str, SampleRow, float, bytes], RewardRow] | None = None
    start_adapter: str | None = None
    champion: str | None = None
    """Training of the model's champion, drawn beside policy 0 a quarter of the way to the end."""

    def __post_init__(self) -> None:
        self.base_directory.mkdir(parents=True, exist_ok=True)
        (self.base_directory / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
        tree = {
            "iterations": self.iterations,
            "base": {"model": str(self.base_directory)},
            "prompts": {"prompts": 8, "samples_per_prompt": 8},
            "sampler": {"steps": 5},
            "evaluation": {"every": self.every, "seeds": self.seeds, "resamples": 500},
            "start_adapter": self.start_adapter,
        }
        self.config = RunConfig.model_validate(tree | self.overrides)
        self.run: RunLayout = opening.open_run(self.root, self.run_id, self.config)

    def level(self, policy: int) -> float:
        """How far a policy has come, 0 to 1: slow, then fast, then saturating."""
        done = policy / self.iterations
        return (1 + math.exp(-3)) / (1 + math.exp(-14 * (done - 3 / 14))) - math.exp(-3) if policy else 0.0

    def train(self, k: int) -> TrainingResult:
        """Commit iteration k: policy k+1."""
        requests = plan.iteration_requests(self.config, self.run, k)
        noise = np.random.default_rng(k)
        for request in requests.values():
            if isinstance(request, PromptsRequest):
                rows = [_prompt_row(a, i, "train") for a in self.seen[:2] for i in range(2)]
                with store.Attempt(request.out, step="prompts") as attempt:
                    attempt.write("prompts.jsonl", dump_rows(rows))
                    attempt.commit(request, PromptsResult(rows=len(rows), prompts=2))
            elif isinstance(request, SamplingRequest):
                self._draw(request, [_prompt_row(self.seen[request.shard], 0, "train")], self.level(k), _policy_id(k))
            elif isinstance(request, ScoringRequest):
                self._score(request, self.level(k))
        training = requests["training"]
        assert isinstance(training, TrainingRequest)
        level = self.level(k)
        result = TrainingResult(
            policy_id=_policy_id(k + 1),
            parent_id=_policy_id(k),
            iteration=k,
            metrics={
                "reward_mean": 1.08 + 0.17 * level + 0.012 * float(noise.normal()),
                "reward_std": 0.11 + 0.01 * float(noise.normal()),
                "ratio_max_deviation": 0.0 if k % 3 else 6e-7,
                "clip_fraction": 0.12 + 0.25 * level + 0.02 * float(noise.normal()),
                "approx_kl": 1.5e-6 * (1 + level) * float(np.exp(0.2 * noise.normal())),
                "kl_to_base": 14 * level,
                "grad_norm": 0.4 + 0.3 * level + 0.05 * float(noise.normal()),
                "loss": -0.001,
            },
            samples=self.config.samples_per_iteration,
            dropped=1 if k == 3 else 0,
        )
        with store.Attempt(training.out, step="training") as attempt:
            attempt.write("pytorch_lora_weights.safetensors", bytes(4000))
            attempt.commit(training, result)
        return result

    def draw_and_score(self, policy: int, *, base: bool = False) -> EvaluationRequest:
        """Commit the pictures and scores of an evaluation; returns the comparison that is then due."""
        requests = plan.evaluation_requests(self.config, self.run, policy, champion=self.champion)
        rows = [
            _prompt_row(animal, index, split)
            for split, animals in (("seen", self.seen), ("held_out", self.held_out))
            for animal in animals
            for index in range(self.seeds)
        ]
        for request in requests.values():
            if isinstance(request, SamplingRequest):
                bare = request.policy.adapter is None
                wanted = [row for row in rows if request.seeds is None or row.index < request.seeds]
                mine = np.array_split(np.arange(len(wanted)), request.shards)[request.shard]
                level, name = (0.0, "bare-base") if bare else (self.level(policy), _policy_id(policy, bare=False))
                if request.policy.adapter == self.champion and not bare and self.champion != self.start_adapter:
                    level, name = 0.25, "champion"
                self._draw(request, [wanted[i] for i in mine], level, name)
            elif isinstance(request, ScoringRequest):
                self._score(request, self.level(policy))
        evaluation = requests["evaluation"]
        assert isinstance(evaluation, EvaluationRequest)
        return evaluation

    def evaluate(self, policy: int) -> EvaluationResult:
        """Draw, score and compare policy k."""
        manifest = run_request(StepName.EVALUATION, self.draw_and_score(policy))
        return EvaluationResult.model_validate(manifest.result)

    def all(self) -> RunLayout:
        """The whole campaign."""
        self.evaluate(0)
        for k in range(self.iterations):
            self.train(k)
            if plan.evaluation_due(self.config, k + 1, self.iterations):
                self.evaluate(k + 1)
        return self.run

    def _draw(self, request: SamplingRequest, prompts: list[PromptRow], level: float, policy_id: str) -> None:
        samples = []
        with store.Attempt(request.out, step="sampling") as attempt:
            for prompt in prompts:
                seed = sample_seed(request.seed, prompt.prompt_id, prompt.index)
                picture = draw_animal(prompt.prompt_id, seed, level)
                row = SampleRow(
                    **prompt.model_dump(),
                    seed=seed,
                    picture_sha256=hashlib.sha256(picture.tobytes()).hexdigest(),
                    kl_to_base=14 * level if request.kl_to_base else None,
                )
                attempt.write(row.picture, png(picture))
                samples.append(row)
            attempt.write("samples.jsonl", dump_rows(samples))
            attempt.commit(request, SamplingResult(policy_id=policy_id, samples=len(samples), kl_to_base=14 * level))

    def _score(self, request: ScoringRequest, level: float) -> None:
        sampling = store.open_committed(request.sampling)
        rows = [
            (self.score or score)(scorer.name, sample, level, sampling.read(sample.picture))
            for scorer in request.scorers
            for sample in sampling.rows("samples.jsonl", SampleRow)
        ]
        result = ScoringResult(
            scorer_ids={row.scorer: row.scorer_id for row in rows},
            scored=len(rows),
            missing=sum(row.reward is None for row in rows),
        )
        with store.Attempt(request.out, step="scoring") as attempt:
            attempt.write("rewards.jsonl", dump_rows(rows))
            attempt.commit(request, result)


def score(scorer: str, sample: SampleRow, level: float, picture: bytes) -> RewardRow:
    """The JPEG size in kB, or a judge whose eye fails with the level."""
    if scorer == "judge":
        luck = np.random.default_rng(derive_seed("judge", sample.sample_id)).random()
        probability = min(0.99, max(0.01, 0.55 + 0.6 * (0.8 - 0.2 * level - luck)))
        reward, parts = float(luck < 0.8 - 0.2 * level), {"probability": round(probability, 4)}
    else:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(picture)).save(buffer, "JPEG", quality=95)
        reward, parts = len(buffer.getvalue()) / 1000, {"bytes": len(buffer.getvalue())}
    return RewardRow(
        sample_id=sample.sample_id,
        prompt_id=sample.prompt_id,
        index=sample.index,
        split=sample.split,
        scorer=scorer,
        scorer_id=f"{scorer}@1",
        reward=reward,
        parts=dict(parts),
    )


def draw_animal(animal: str, seed: int, level: float) -> Image.Image:
    """32 px: sky, ground, a body and a head; `level` adds grass and stones."""
    kind, noise = np.random.default_rng(derive_seed("kind", animal)), np.random.default_rng(seed)
    hue, size = kind.integers(0, 255), kind.uniform(0.7, 1.2)
    large = Image.new("RGB", (128, 128), tuple(int(v) for v in noise.integers(150, 235, 3)))
    ink = ImageDraw.Draw(large)
    ink.rectangle((0, 84, 128, 128), fill=tuple(int(v) for v in noise.integers(90, 190, 3)))
    body = Image.new("HSV", (1, 1), (int(hue), 150, 190)).convert("RGB").getpixel((0, 0))
    x, y = noise.uniform(40, 70), noise.uniform(60, 80)
    ink.ellipse((x - 34 * size, y - 20 * size, x + 30 * size, y + 22 * size), fill=body)
    ink.ellipse((x + 20 * size, y - 34 * size, x + 46 * size, y - 6 * size), fill=body)
    for foot in (-24, -8, 8, 22):
        ink.rectangle((x + foot * size, y + 10, x + (foot + 6) * size, y + 40 * size), fill=body)
    for blade in noise.uniform(0, 128, size=(300, 2))[
        : int(noise.uniform(5, 70) + 60 * level * noise.uniform(0.2, 1.0))
    ]:
        shade = int(blade[0] * 1.2) % 120
        ink.line((blade[0], blade[1], blade[0] + 5, blade[1] - 14), fill=(shade, 90 + shade, 40), width=3)
    return large.resize((32, 32), Image.Resampling.BOX)


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _prompt_row(animal: str, index: int, split: str) -> PromptRow:
    article = "an" if animal[0] in "aeiou" else "a"
    return PromptRow(
        prompt_id=f"{article}-{animal}", index=index, text=f"{article} {animal}", split=split, animal=animal
    )


def _policy_id(policy: int, *, bare: bool = True) -> str:
    """Of policy k; policy 0 is the base, unless the run has a start of its own."""
    return "bare-base" if bare and not policy else hashlib.sha256(f"policy {policy}".encode()).hexdigest()[:16]
