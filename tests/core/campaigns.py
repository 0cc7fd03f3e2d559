"""Whole campaigns without a model: every step's manifest is committed, with numbers made up by a formula."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from components.core import opening, plan, store
from components.core.config import BaseModelConfig, RunConfig
from components.core.contracts import (
    EvaluationResult,
    Interval,
    Manifest,
    PromptsResult,
    Request,
    Result,
    SamplingResult,
    ScorerComparison,
    ScoringResult,
    TrainingRequest,
    TrainingResult,
)
from components.core.layout import RunLayout
from components.core.policy_files import ADAPTER_FILE

METRICS = (
    "reward_mean",
    "reward_std",
    "ratio_max_deviation",
    "clip_fraction",
    "approx_kl",
    "kl_to_base",
    "grad_norm",
    "loss",
)


def base_directory(path: Path) -> BaseModelConfig:
    """A directory that looks like a base model, and is none."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    return BaseModelConfig(model=str(path))


@dataclass(frozen=True)
class SyntheticCampaign:
    """A run in a store, brought forward an iteration or an evaluation at a time."""

    run: RunLayout
    config: RunConfig

    @classmethod
    def open(cls, store_root: str, config: RunConfig, run_id: str = "synthetic") -> SyntheticCampaign:
        """Freeze the config."""
        return cls(opening.open_run(store_root, run_id, config), config)

    def iterate(
        self,
        k: int,
        *,
        adapter: bytes = b"",
        file: str = ADAPTER_FILE,
        steps: tuple[str, ...] = ("prompts", "sampling", "scoring", "training"),
    ) -> None:
        """Commit iteration k, or only its first steps."""
        for name, request in plan.iteration_requests(self.config, self.run, k).items():
            if name.partition("-")[0] in steps:
                files = (
                    {file: adapter or f"adapter {k + 1}".encode()}
                    if name == "training"
                    else {"rows.jsonl": b"x" * 1000}
                )
                commit(name, request, self._result(name, request, k), files)

    def evaluate(self, policy: int) -> None:
        """Commit policy k's evaluation, panel and all."""
        for name, request in plan.evaluation_requests(self.config, self.run, policy).items():
            files = {"panel.png": panel(policy)} if name == "evaluation" else {}
            commit(name, request, self._result(name, request, policy), files)

    def _result(self, name: str, request: Request, k: int) -> Result:
        match name.partition("-")[0]:
            case "prompts":
                return PromptsResult(rows=self.config.samples_per_iteration, prompts=self.config.prompts.prompts)
            case "sampling":
                return SamplingResult(policy_id=f"policy-{k}", samples=self.config.samples_per_iteration)
            case "scoring":
                return ScoringResult(scorer_ids={self.config.reward.name: "scorer-1"}, scored=31, missing=1)
            case "training":
                assert isinstance(request, TrainingRequest)
                metrics = {m: math.sin(k / 9 + i) + k / 20 for i, m in enumerate(METRICS)}
                return TrainingResult(
                    policy_id=f"policy-{k + 1}",
                    parent_id=f"policy-{k}",
                    iteration=k,
                    metrics=metrics,
                    samples=62,
                    dropped=2,
                )
            case _:
                return evaluation_result(self.config, k)


def evaluation_result(config: RunConfig, policy: int) -> EvaluationResult:
    """A reward that rises by 0.1 sd a policy, half of it on held-out prompts, and a judge that slowly falls."""
    slopes = {
        (config.reward.name, "seen"): 0.1,
        (config.reward.name, "held_out"): 0.05,
        ("judge", "seen"): -0.002,
        ("judge", "held_out"): -0.004,
    }
    return EvaluationResult(
        policy=policy,
        policy_id=f"policy-{policy}",
        base_id="policy-0",
        start_id="policy-0",
        kl_to_base=0.3 * policy,
        comparisons=tuple(
            ScorerComparison(
                scorer=scorer, split=split, reference="base", prompts=12, pairs=48, missing=0,
                reference_mean=0.8, reference_std=0.5, candidate_mean=0.8 + slope * policy / 2,
                difference=around(slope * policy / 2, 0.1), gain=around(slope * policy, 0.2),
            )
            for (scorer, split), slope in slopes.items()
        ),
    )  # fmt: skip


def around(mean: float, width: float) -> Interval:
    """A mean, give or take."""
    return Interval(mean=mean, low=mean - width, high=mean + width)


def commit(name: str, request: Request, result: Result, files: dict[str, bytes]) -> Manifest:
    """One step's commit."""
    with store.Attempt(request.out, step=name.partition("-")[0]) as attempt:
        for path, data in files.items():
            attempt.write(path, data)
        return attempt.commit(request, result)


def panel(policy: int) -> bytes:
    """Two rows of squares whose second row reddens with the policy."""
    image = Image.new("RGB", (8 * 34, 2 * 34), "white")
    for column in range(8):
        for row in range(2):
            shade = (min(255, 90 + row * policy * 3), 120 - column * 8, 40 + column * 25)
            image.paste(shade, (column * 34 + 1, row * 34 + 1, column * 34 + 33, row * 34 + 33))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
