"""A small run that is sound in every respect, made through the store: two iterations, two evaluations, a registration.

Files are a few bytes; what `verify` reasons about (rows, ids, digests) is real. Any one fact can be made wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from components.core import plan, store
from components.core.config import RunConfig, parse_config
from components.core.contracts import (
    EvaluationRequest,
    EvaluationResult,
    PromptsRequest,
    PromptsResult,
    RegistrationResult,
    Request,
    Result,
    SamplingRequest,
    SamplingResult,
    ScoringRequest,
    ScoringResult,
    StartRequest,
    StartResult,
    TrainingRequest,
    TrainingResult,
)
from components.core.layout import RunLayout
from components.core.records import PromptRow, RewardRow, SampleRow, dump_rows

Change = Callable[[Request, Result, dict[str, bytes]], tuple[Result, dict[str, bytes]]]

TRAINING = [("cat", "riding a bike"), ("dog", "playing chess")]
EVALUATION = [
    ("seen", "cat", "riding a bike"),
    ("held_out_activity", "dog", "flying a kite"),
    ("held_out_animal", "owl", "riding a bike"),
    ("held_out", "owl", "flying a kite"),
]


def row(animal: str, activity: str, split: str, index: int = 0) -> PromptRow:
    """One picture to draw."""
    text = f"a {animal} {activity}"
    return PromptRow(
        prompt_id=text.replace(" ", "-"), index=index, text=text, split=split, animal=animal, activity=activity
    )


@dataclass
class SoundRun:
    """Commits a run step by step; `changes` by request URI make one commit wrong."""

    run: RunLayout
    config: RunConfig
    changes: dict[str, Change] = field(default_factory=dict)

    @classmethod
    def at(cls, root: str, run_id: str = "sound", **keys: object) -> SoundRun:
        """A run that is not committed yet."""
        config = parse_config(
            {
                **keys,
                "iterations": 2,
                "prompts": {"prompts": 2, "samples_per_prompt": 2, "shards": 2},
                "training": {"updates": 1},
                "evaluation": {"every": 2, "judges": []},
            }
        )
        return cls(RunLayout.of(root, run_id), config)

    def commit(self) -> str:
        """Write everything, and return the run's URI."""
        start = StartRequest(out=self.run.uri, config=self.config, base_id="sha256:base")
        self._commit("start", start, StartResult(run=self.run.run_id), {})
        self._step("prompts", plan.evaluation_prompts_request(self.config, self.run))
        for k in range(2):
            self._all(plan.iteration_requests(self.config, self.run, k))
        for k in (0, 2):
            self._all(plan.evaluation_requests(self.config, self.run, k))
        self._step("registration", plan.registration_request(self.config, self.run, 2, evaluated=True))
        return self.run.uri

    def _all(self, requests: dict[str, Request]) -> None:
        for name, request in requests.items():
            self._step(name.partition("-")[0], request)

    def _step(self, step: str, request: Request) -> None:
        self._commit(step, request, *self._answer(request))

    def _commit(self, step: str, request: Request, result: Result, files: dict[str, bytes]) -> None:
        if change := self.changes.get(request.out):
            result, files = change(request, result, files)
        with store.Attempt(request.out, step=step) as attempt:
            for path, data in files.items():
                attempt.write(path, data)
            attempt.commit(request, result)

    def _answer(self, request: Request) -> tuple[Result, dict[str, bytes]]:
        match request:
            case PromptsRequest():
                rows = self._prompts(request)
                return PromptsResult(rows=len(rows), prompts=2), {"prompts.jsonl": dump_rows(rows)}
            case SamplingRequest():
                return self._sampling(request)
            case ScoringRequest():
                samples = store.open_committed(request.sampling).rows("samples.jsonl", SampleRow)
                rewards = [self._reward(sample) for sample in samples]
                ids = {self.config.reward.name: "jpeg-95"}
                return ScoringResult(scorer_ids=ids, scored=len(rewards), missing=0), {
                    "rewards.jsonl": dump_rows(rewards)
                }
            case TrainingRequest(iteration=k):
                result = TrainingResult(
                    policy_id=f"p{k + 1}", parent_id=f"p{k}", iteration=k, metrics={}, samples=4, dropped=0
                )
                return result, {"pytorch_lora_weights.safetensors": b"adapter %d" % (k + 1)}
            case EvaluationRequest(policy=k):
                return EvaluationResult(
                    policy=k, policy_id=f"p{k}", base_id="p0", start_id="p0", comparisons=(), kl_to_base=0.0
                ), {"panel.png": b"panel"}
            case _:
                return RegistrationResult(model="m", policy_id="p2", tags={}), {}

    def _prompts(self, request: PromptsRequest) -> list[PromptRow]:
        if request.iteration is None:
            return [row(animal, activity, split) for split, animal, activity in EVALUATION]
        return [row(animal, activity, "train", index) for animal, activity in TRAINING for index in range(2)]

    def _sampling(self, request: SamplingRequest) -> tuple[Result, dict[str, bytes]]:
        prompts = store.open_committed(request.prompts).rows("prompts.jsonl", PromptRow)
        size = len(prompts) // request.shards
        mine = prompts[request.shard * size : (request.shard + 1) * size]
        rows = [SampleRow(**prompt.model_dump(), seed=7, picture_sha256="0" * 64) for prompt in mine]
        adapter = request.policy.adapter
        k = int(adapter.split("/")[-2]) + 1 if adapter else 0
        pictures = {sample.picture: b"\x89PNG " + sample.sample_id.encode() for sample in rows}
        return SamplingResult(policy_id=f"p{k}", samples=len(rows)), {"samples.jsonl": dump_rows(rows), **pictures}

    def _reward(self, sample: SampleRow) -> RewardRow:
        return RewardRow(
            sample_id=sample.sample_id,
            prompt_id=sample.prompt_id,
            index=sample.index,
            split=sample.split,
            scorer=self.config.reward.name,
            scorer_id="jpeg-95",
            reward=1.0,
        )
