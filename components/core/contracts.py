"""The map: every step's request and result, in the order in which data flows.

    config -> PromptsRequest  -> prompt rows
           -> SamplingRequest -> trajectories, pictures, sample rows      (one a shard)
           -> ScoringRequest  -> reward rows                              (one a shard)
           -> TrainingRequest -> adapter, optimiser state                 (advantages are a function of reward rows)
           -> EvaluationRequest   -> report: seen and held-out, paired against the base
           -> RegistrationRequest -> a model version with lineage

A request names its inputs by the prefix that an earlier step commits, and `out`, the prefix it commits itself. Requests
are a pure function of (config, iteration): `plan.py`. Prefixes are written once, so a URI is as good as its content.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import JsonValue

from components.core.config import (
    BaseModelConfig,
    Contract,
    EvaluationConfig,
    PromptsConfig,
    RewardConfig,
    RunConfig,
    SamplerConfig,
    TrainingConfig,
)


class StepName(StrEnum):
    """The six commands. Each is `python -m components.<name> --request <URI>`."""

    PROMPTS = "prompts"
    SAMPLING = "sampling"
    SCORING = "scoring"
    TRAINING = "training"
    EVALUATION = "evaluation"
    REGISTRATION = "registration"


class Request(Contract):
    """What a step is asked to do. Everything that can change its output stands in it."""

    out: str
    """URI prefix this step writes below; whole once COMMITTED.json is there."""

    def digest(self) -> str:
        """sha256 of the canonical JSON: two requests with one digest ask for the same bytes."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json"))).hexdigest()


class Result(Contract):
    """What a step found. Only content: no times, no attempt ids, so that a repeat has the same bytes."""


class StartRequest(Request):
    """Open a run: freezes the config. `out` is the run's own prefix."""

    config: RunConfig
    base_id: str
    """Digest of the base weights (local directory) or `name@revision` (hub)."""


class StartResult(Result):
    """A run is open once this is committed."""

    run: str
    """Id of the run: the last part of its prefix."""


class PolicyRef(Contract):
    """Policy k: the base and, unless it is the bare base, the adapter that a training step committed."""

    base: BaseModelConfig
    adapter: str | None = None
    """Prefix of a committed training (or imported adapter). None is the bare base."""


class PromptsRequest(Request):
    """Draw the prompts of one iteration, or lay out a whole evaluation set."""

    prompts: PromptsConfig
    seed: int
    """The run's seed. Evaluation sets do not use it."""
    iteration: int | None
    """Iteration whose prompts are drawn; None lays out `evaluation_set`."""
    evaluation_set: str | None = None
    """Name of a frozen set: laid out with every prompt of every split; an iteration never draws what it holds out."""
    evaluation_seeds: int = 0
    """Pictures a prompt in an evaluation."""


class PromptsResult(Result):
    """Files: prompts.jsonl, one `records.PromptRow` a picture to draw."""

    rows: int
    prompts: int
    """Distinct prompts."""


class SamplingRequest(Request):
    """Sample one shard of trajectories from a policy."""

    prompts: str
    """Prefix of the committed prompts; rows are split evenly and in order among the shards."""
    shard: int
    shards: int
    policy: PolicyRef
    seed: int
    """Seed of this iteration, or of the evaluation set; a sample's own seed adds the prompt's id and the index."""
    sampler: SamplerConfig
    trajectories: bool = True
    """False keeps the pictures only: an evaluation is never trained on."""
    kl_to_base: bool = False
    """Also run the bare base at every visited state and store the exact per-step KL in nats."""


class SamplingResult(Result):
    """Files: samples.jsonl (`records.SampleRow`), pictures/<sample id>.png, trajectories.safetensors."""

    policy_id: str
    """Id of the policy that made these pictures; the update refuses samples of another."""
    samples: int
    kl_to_base: float | None = None
    """Mean over samples of the path's KL to the base, nats; None when not asked for."""


class ScoringRequest(Request):
    """Score the pictures of one shard. A scorer sees pictures and prompts, never latents."""

    sampling: str
    """Prefix of the committed shard."""
    scorers: tuple[RewardConfig, ...]
    """The first is the reward of the run; the others judge beside it."""


class ScoringResult(Result):
    """Files: rewards.jsonl, one `records.RewardRow` for each picture and scorer."""

    scorer_ids: dict[str, str]
    """Scorer name -> identity (settings, weights, library versions). Two ids never mix in one history."""
    scored: int
    missing: int
    """Rows of the first scorer without a reward: never counted as 0."""


class Shard(Contract):
    """One shard's samples and their rewards."""

    sampling: str
    scoring: str


class TrainingRequest(Request):
    """Update policy k on its own samples; what is committed is policy k+1."""

    iteration: int
    policy: PolicyRef
    """Policy k: the parent. Its adapter's prefix also holds the optimiser state to go on from."""
    fresh_optimizer: bool
    """True where the parent is not of this run: its moments belong to other rewards."""
    shards: tuple[Shard, ...]
    history: tuple[str, ...]
    """Scoring prefixes of earlier iterations, oldest first: the per-prompt reward history is a function of them."""
    reward: str
    """Scorer name whose rows are trained on."""
    sampler: SamplerConfig
    training: TrainingConfig
    seed: int


class TrainingResult(Result):
    """Files: pytorch_lora_weights.safetensors (diffusers' own layout), optimizer.safetensors."""

    policy_id: str
    """Id of policy k+1."""
    parent_id: str
    """Id of policy k: the chain of these is the lineage of the run."""
    iteration: int
    metrics: dict[str, float]
    """reward_mean, reward_std, ratio_max_deviation, clip_fraction, approx_kl, kl_to_base, grad_norm, loss, ..."""
    samples: int
    dropped: int
    """Samples left out because their reward is missing."""


class EvaluatedPolicy(Contract):
    """A policy's pictures of the evaluation set, scored."""

    shards: tuple[Shard, ...]


class EvaluationRequest(Request):
    """Compare a policy with the base (and with the start of the run), paired over the same noise."""

    policy: int
    """Number of the policy in its run: 0 is the start."""
    candidate: EvaluatedPolicy
    base: EvaluatedPolicy
    start: EvaluatedPolicy
    """Equal to `base` when the run starts from the bare base."""
    reward: str
    judges: tuple[str, ...]
    evaluation: EvaluationConfig
    panel: int = 8
    """Pictures in the fixed panel, per split."""


class Interval(Contract):
    """A mean with its bootstrap interval."""

    mean: float
    low: float
    high: float


class ScorerComparison(Contract):
    """One scorer on one split, candidate against a reference, paired by (prompt, index)."""

    scorer: str
    split: str
    reference: str
    """`base` or `start`."""
    prompts: int
    pairs: int
    reference_mean: float
    reference_std: float
    """Standard deviation over the reference's pictures of this split: the unit of `gain`."""
    candidate_mean: float
    difference: Interval
    """Candidate minus reference, in the scorer's unit."""
    gain: Interval
    """`difference` in reference standard deviations."""
    missing: int


class EvaluationResult(Result):
    """Files: comparisons.jsonl, panel.png (base above candidate, same seeds)."""

    policy: int
    policy_id: str
    base_id: str
    start_id: str
    comparisons: tuple[ScorerComparison, ...]
    kl_to_base: float
    """Mean path KL to the base, nats (sum over latent and steps)."""

    def comparison(self, scorer: str, split: str, reference: str = "base") -> ScorerComparison | None:
        """The comparison of one scorer on one split, or None."""
        wanted = (scorer, split, reference)
        return next((c for c in self.comparisons if (c.scorer, c.split, c.reference) == wanted), None)


class RegistrationRequest(Request):
    """Register a policy as a model version that stock diffusers loads."""

    run: str
    """URI of the run."""
    policy: int
    training: str
    """Prefix of the training that committed the policy."""
    evaluation: str | None
    """Prefix of its evaluation report."""
    base: BaseModelConfig
    model: str
    """Registered model name."""


class RegistrationResult(Result):
    """The version and what it stands on."""

    model: str
    policy_id: str
    tags: dict[str, str]
    """Lineage, as it stands on the version."""


class FileEntry(Contract):
    """One file of a commit."""

    path: str
    bytes: int
    sha256: str


class Cost(Contract):
    """What an attempt spent. Not part of any digest."""

    started_at: datetime
    committed_at: datetime
    seconds: float
    bytes_written: int
    peak_memory_mb: float


class Manifest(Contract):
    """COMMITTED.json: what makes a prefix whole. Readers follow it and nothing else."""

    step: str
    attempt: str
    """The files lie at attempts/<attempt>/ below the prefix."""
    request_digest: str
    content_digest: str
    """sha256 over the files' paths and sha256s and the result: equal for a repeat of the same request."""
    request: dict[str, JsonValue]
    result: dict[str, JsonValue]
    files: tuple[FileEntry, ...]
    cost: Cost
    software: dict[str, str]
    """Versions that made it: this project's commit, torch, diffusers and so on, where they were imported."""


REQUESTS: dict[StepName, type[Request]] = {
    StepName.PROMPTS: PromptsRequest,
    StepName.SAMPLING: SamplingRequest,
    StepName.SCORING: ScoringRequest,
    StepName.TRAINING: TrainingRequest,
    StepName.EVALUATION: EvaluationRequest,
    StepName.REGISTRATION: RegistrationRequest,
}

RESULTS: dict[StepName, type[Result]] = {
    StepName.PROMPTS: PromptsResult,
    StepName.SAMPLING: SamplingResult,
    StepName.SCORING: ScoringResult,
    StepName.TRAINING: TrainingResult,
    StepName.EVALUATION: EvaluationResult,
    StepName.REGISTRATION: RegistrationResult,
}


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8: the same value is the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
