"""The map: every step's request and result, in the order in which data flows.

    config -> PromptsRequest  -> prompt rows
           -> SamplingRequest -> trajectories, pictures, sample rows      (one a shard)
           -> ScoringRequest  -> reward rows                              (one a shard)
           -> TrainingRequest -> adapter, optimiser state                 (advantages are a function of reward rows)
           -> EvaluationRequest   -> report: seen and held-out, paired against base and champion; the guard's signals
           -> RegistrationRequest -> a model version with lineage

A request names its inputs by the prefix that an earlier step commits, and `out`, the prefix it commits itself. Requests
are a pure function of (config, iteration): `plan.py`. Prefixes are written once, so a URI is as good as its content.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import JsonValue

from components.core.config import (
    BaseModelConfig,
    Contract,
    EvaluationConfig,
    GuardConfig,
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
    preset: str | None = None
    """Name of the preset, so that a schedule finds the run before."""
    inputs: dict[str, str] = {}
    """What a schedule compares: `prompts`, `reward`, `base`, `seed` and so on, each with its version or digest."""
    champion: str | None = None
    """Prefix of the training that committed the champion of the time; None where that is the base."""
    start_queries: int = 0
    """Reward queries that the chain of warm starts had spent before this run."""


class StartResult(Result):
    """A run is open once this is committed. Files: prompts.txt, where the run trains on a file of the user's."""

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
    file: str | None = None
    """Prefix whose commit holds the user's own prompts as prompts.txt, frozen when the run was opened; None: a list."""


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
    seeds: int | None = None
    """Draw only the first so many pictures of each prompt; None draws all rows."""


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
    """Scoring prefixes of earlier iterations, oldest first: the per-prompt reward history is a function of them, and
    they must be of one scorer."""
    reward: str
    """Scorer name whose rows are trained on."""
    sampler: SamplerConfig
    training: TrainingConfig
    seed: int


class TrainingResult(Result):
    """Files: pytorch_lora_weights.safetensors (diffusers' own layout) or unet.safetensors (all weights, fp32),
    optimizer.safetensors; ema.safetensors, laid out as the first, where training.ema_decay asks for it."""

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
    """Drawn by the sampler of the training, with the path's KL to the base."""
    deployed: tuple[Shard, ...] = ()
    """Fewer pictures of the same prompts, drawn by the sampler that ships: eta 0. Empty: not drawn."""


class EvaluationRequest(Request):
    """Compare a policy with base, start and champion, paired over the same noise, and look for signs of decay."""

    policy: int
    """Number of the policy in its run: 0 is the start."""
    candidate: EvaluatedPolicy
    base: EvaluatedPolicy
    start: EvaluatedPolicy
    """Equal to `base` when the run starts from the bare base."""
    champion: EvaluatedPolicy | None = None
    """Drawn and scored afresh in this run; equal to `start` where that is the champion. None: the base is."""
    reward: str
    judges: tuple[str, ...]
    probes: tuple[str, ...] = ()
    """Scorers that only the guard reads."""
    evaluation: EvaluationConfig
    guard: GuardConfig = GuardConfig()
    lifetime_queries: int = 0
    """Reward queries spent on this policy, warm starts included."""
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
    """`base`, `start` or `champion`."""
    sampler: Literal["trained", "deployed"] = "trained"
    """Whose pictures: the stochastic sampler's that training uses, or those of eta 0."""
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


Level = Literal["pass", "warn", "fail"]


class Signal(Contract):
    """One sign of over-optimisation or decay, with the limits that it was held against."""

    name: str
    """`judge_loss:<judge>`, `kl_to_base`, `lifetime_queries`, `diversity:within_prompt`, `statistic:<name>`, ..."""
    value: float | None
    """None: not available here, for the reason that stands in `reason`."""
    unit: str
    warn: float | None = None
    """Beyond this it warns; None: it never does."""
    fail: float | None = None
    """Beyond this it fails."""
    level: Level = "pass"
    votes: bool = True
    """False: shown only. What the reward itself pushes is no evidence against it."""
    cap: bool = False
    """True: a limit that no second evaluation need confirm."""
    reason: str
    """One sentence for a person, with the numbers."""


class WorstSlice(Contract):
    """A prompt, or all prompts with one word, that came off worst against the base."""

    kind: Literal["prompt", "word"]
    name: str
    scorer: str
    split: str
    """`all` for a word."""
    pairs: int
    difference: float
    """Candidate minus base, in the scorer's unit."""


class EvaluationResult(Result):
    """Files: comparisons.jsonl, signals.jsonl, panel.png (base above candidate, same seeds)."""

    policy: int
    policy_id: str
    base_id: str
    start_id: str
    champion_id: str | None = None
    """Policy that `champion` comparisons are against; None: none was compared."""
    comparisons: tuple[ScorerComparison, ...]
    kl_to_base: float
    """Mean path KL to the base, nats (sum over latent and steps)."""
    generalisation: float | None = None
    """Held-out gain over seen gain. None where the seen gain is not clearly above 0."""
    signals: tuple[Signal, ...] = ()
    worst: tuple[WorstSlice, ...] = ()
    """The worst prompts and words of each scorer."""
    calibration: str = "none"
    """Name and digest of the table of limits; `none`, with the reason, where none applied."""

    def comparison(
        self, scorer: str, split: str, reference: str = "base", sampler: str = "trained"
    ) -> ScorerComparison | None:
        """The comparison of one scorer on one split, or None."""
        wanted = (scorer, split, reference, sampler)
        return next((c for c in self.comparisons if (c.scorer, c.split, c.reference, c.sampler) == wanted), None)


class RegistrationRequest(Request):
    """Register a policy as a model version that stock diffusers loads."""

    run: str
    """URI of the run."""
    policy: int
    """0 registers the base itself: what a model falls back to."""
    training: str | None
    """Prefix of the training that committed the policy; None for the base."""
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
