"""What a human chooses: one TOML file a run, resolved to JSON and frozen with the run.

An unknown key is an error, and so is a value out of range: the message names both. Presets live in `dags/presets`
and never inherit from one another, so that one file is the whole choice.
"""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from components.core.errors import BadRequest

Dtype = Literal["float32", "float16", "bfloat16"]


class Contract(BaseModel):
    """Strict, frozen, and holding no secret: a typo is an error, and the whole thing can be logged."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class BaseModelConfig(Contract):
    """The base model, by reference: its weights are never copied into a run."""

    model: str = "tiny"
    """`tiny` (embedded), a directory in diffusers' layout, or a hub id such as `CompVis/stable-diffusion-v1-4`: from
    its mirror in the store, else from the hub (docs/bring-your-model.md)."""
    revision: str | None = None
    """Commit of a hub model. None takes the newest, which a scheduled run should not."""
    dtype: Dtype = "float32"
    """Precision of the frozen base weights. Log-probs are fp32 whatever stands here."""


class PromptsConfig(Contract):
    """Which prompts an iteration draws, and how many pictures of each."""

    template: Literal["animal", "activity", "counting"] = "animal"
    """`a cat` | `a cat riding a bike` | `three cats`."""
    train: str = "simple-animals-v1"
    """Name of a frozen list in components/prompts/data, or the path of a UTF-8 text file with one prompt a line."""
    prompts: int = Field(default=16, ge=1)
    """Distinct prompts an iteration. Drawn without repetition until the list is used up, so that none starves."""
    samples_per_prompt: int = Field(default=4, ge=1)
    """Pictures of each prompt, K. 1 leaves no within-group statistics: use `advantage.kind = "history"` then."""
    shards: int = Field(default=2, ge=1, le=64)
    """Sampling tasks an iteration. 3-5 a GPU keep scoring busy beside sampling; it never changes a picture."""


class SamplerConfig(Contract):
    """Stochastic DDIM with classifier-free guidance; the same settings in sampling and in training."""

    steps: int = Field(default=10, ge=2, le=1000)
    """Denoising steps T."""
    eta: float = Field(default=1.0, ge=0, le=1)
    """Share of DDPM's noise. 1 is the paper's; 0 is deterministic: fine to look at, impossible to train on."""
    guidance_scale: float = Field(default=3.0, ge=1)
    """Classifier-free guidance. 1 switches the unconditional branch off."""
    timestep_spacing: Literal["leading", "trailing"] = "leading"
    """Which of the 1000 training timesteps are visited. At few steps, leading spends one step of five at t=1."""
    latents_dtype: Dtype = "float32"
    """Precision in which latents are stored. The sampler rounds first and goes on from the rounded value."""
    batch: int = Field(default=32, ge=1)
    """Pictures denoised at once; the last batch is padded to this shape. Bounded by memory."""


class RewardConfig(Contract):
    """A reward or a judge, by name."""

    name: str = "jpeg_incompressibility"
    """A name that components/scoring/rewards registers."""
    options: dict[str, JsonValue] = {}
    """Settings of this reward; each reward checks its own. They are part of the scorer's identity."""


class LoraConfig(Contract):
    """Low-rank adapters on the UNet, where `trainable = "adapter"`."""

    rank: int = Field(default=8, ge=1, le=512)
    """Rank of the update. 4 is the paper's setting for Stable Diffusion."""
    alpha: float = Field(default=8.0, gt=0)
    """Scale: the update is multiplied by alpha / rank."""
    targets: Literal["attention", "all"] = "all"
    """`attention`: q k v out, as in the paper. `all`: also projections, feed-forward and convolutions."""
    dropout: float = Field(default=0.0, ge=0, le=0)
    """Must be 0: a dropped unit in training alone would move the importance ratio off 1."""


class AdvantageConfig(Contract):
    """How a reward becomes an advantage."""

    kind: Literal["history", "group", "batch"] = "history"
    """`history`: against the prompt's last rewards. `group`: within the K pictures of this iteration. `batch`: against
    all pictures of this iteration, so that an easy prompt gains on a hard one."""
    buffer: int = Field(default=32, ge=2)
    """Rewards remembered a prompt (history)."""
    minimum: int = Field(default=16, ge=2)
    """Rewards a prompt needs before its own statistics are used; the iteration's serve until then (history)."""
    clip: float = Field(default=5.0, gt=0)
    """Advantages are clipped to plus and minus this many standard deviations."""

    @model_validator(mode="after")
    def _history_can_fill(self) -> AdvantageConfig:
        if self.buffer < self.minimum:
            raise ValueError(f"buffer = {self.buffer} can never hold the minimum of {self.minimum} rewards")
        return self


class WeightingConfig(Contract):
    """How a reward becomes the weight of a picture, where the algorithm is RWR."""

    temperature: float = Field(default=1.0, gt=0)
    """Weights are N softmax(reward / temperature). Towards 0 one picture has them all, at infinity all weigh alike:
    tune it like a learning rate, and watch `effective_samples`."""
    unit: Literal["sd", "reward"] = "sd"
    """What the temperature counts. `sd`: standard deviations of the iteration's rewards. `reward`: the reward's own
    unit; the paper's softmax(r / 5) is `unit = "reward"` and `temperature = 5`."""
    per_prompt: bool = False
    """True: pictures compete within their prompt only, as the paper has it for alignment. Needs two of each prompt."""
    top_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of each prompt's pictures that `rwr_sparse` trains on, rounded up; a prompt needs 1 / top_share of them."""

    def winners(self, drawn: int) -> int:
        """How many of a prompt's pictures are its top share.

        >>> WeightingConfig(top_share=0.1).winners(10), WeightingConfig(top_share=0.1).winners(11)
        (1, 2)
        """
        return math.ceil(round(self.top_share * drawn, 9))

    @property
    def least(self) -> int:
        """Pictures that a prompt needs, so that its top share is a whole one."""
        return math.ceil(round(1 / self.top_share, 9))


class TrainingConfig(Contract):
    """The update that makes policy k+1."""

    algorithm: Literal["ddpo_is", "ddpo_sf", "rwr", "rwr_sparse", "raft"] = "ddpo_is"
    """`ddpo_is`: PPO's clipped surrogate. `ddpo_sf`: REINFORCE, exactly one optimiser update an iteration. Ordinary
    denoising of the iteration's own pictures: `rwr` weighs them by reward, `rwr_sparse` takes the top share of each
    prompt, `raft` the best of each prompt."""
    trainable: Literal["adapter", "unet"] = "adapter"
    """What is trained. `adapter`: LoRA, megabytes a policy. `unet`: all of its weights, held in fp32 also on a bfloat16
    base; a policy and its moments are 12 bytes a weight in the store (10 GB for Stable Diffusion), and the paper's
    learning rate for it is 1e-5."""
    updates: int = Field(default=4, ge=1)
    """Optimiser updates an iteration; the samples are split evenly among them."""
    learning_rate: float = Field(default=3e-4, gt=0, le=1)
    """AdamW's. 3e-4 suits LoRA on Stable Diffusion."""
    inner_epochs: int = Field(default=1, ge=1)
    """Passes over an iteration's samples, each in an order of its own, with `updates` optimiser updates each."""
    timestep_fraction: float = Field(default=1.0, gt=0, le=1)
    """Share of a sample's steps that a pass trains on, drawn for each sample anew; at least one step. Cost falls with
    it, and the gradient becomes noisier. RWR and RAFT draw as many noised copies of a picture instead."""
    clip_range: float = Field(default=1e-4, gt=0, lt=1)
    """PPO clip on the ratio. Goes with a log-prob that is a mean over the latent: scale by 16 384 / latent size."""
    scale_clip: bool = False
    """True: `clip_range` is meant for Stable Diffusion's 16 384 latent numbers, and is scaled to this latent."""
    kl_weight: float = Field(default=0.0, ge=0)
    """Weight of the KL to the base, nats a step, in DDPO's loss; the base runs once more for each pair. beta / latent
    numbers weighs a nat of the path as beta standard deviations of the reward, visited states held fixed. 0: no such
    term."""
    adam_beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the first moment."""
    adam_beta2: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the second moment."""
    adam_eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Decoupled weight decay of what is trained: a trained UNet's weights, too, are drawn to 0."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """The gradient is scaled down to this norm."""
    micro_batch: int = Field(default=64, ge=1)
    """(sample, step) pairs in one forward and backward. Changes memory and speed, and only the gradient's rounding."""
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Decay of a running mean of what is trained, over all updates of a run: 0.99 remembers the last hundred. It is
    stored beside, as ema.safetensors; policy k+1 has the weights themselves, and so has what is sampled, judged and
    registered. 0 keeps no mean."""
    gradient_checkpointing: bool = False
    """True keeps no activations of the UNet's blocks and computes them again: a larger `micro_batch` fits into memory,
    for about a third more work. The gradient is the same."""
    ratio_check_samples: int = Field(default=16, ge=1)
    """Samples whose ratio is checked at all steps before the first update; KL to the base is taken on them."""
    ratio_tolerance: float = Field(default=1e-5, gt=0)
    """Largest |ratio - 1| before the first update. Beyond it the iteration is refused: sampler and trainer disagree. At
    most the clip range: what lies beyond that would be clipped before anything was learned."""
    processes: int = Field(default=1, ge=1, le=64)
    """Processes that train together, each on its own shards and, where there are GPUs, on a GPU of its own. The samples
    of an update stay the same; only the order of float sums differs."""
    checkpoint_minutes: float = Field(default=10.0, ge=0)
    """Minutes between checkpoints inside one iteration's training: what a killed attempt loses. 0 keeps none."""
    lora: LoraConfig = LoraConfig()
    advantage: AdvantageConfig = AdvantageConfig()
    weighting: WeightingConfig = WeightingConfig()
    """Read by rwr (temperature, unit, per_prompt) and rwr_sparse (top_share)."""

    @model_validator(mode="after")
    def _score_function_is_on_policy(self) -> TrainingConfig:
        if self.algorithm == "ddpo_sf" and self.updates * self.inner_epochs != 1:
            name = "updates" if self.updates != 1 else "inner_epochs"
            raise ValueError(f"ddpo_sf is on-policy: it takes exactly one update an iteration, so set {name} = 1")
        return self

    @model_validator(mode="after")
    def _kl_has_a_policy_gradient(self) -> TrainingConfig:
        if self.kl_weight and not self.policy_gradient:
            raise ValueError(f"kl_weight is a term of DDPO's loss, and {self.algorithm} visits no step of a path")
        return self

    @model_validator(mode="after")
    def _ratio_is_one_within_the_clip(self) -> TrainingConfig:
        if self.algorithm == "ddpo_is" and not self.scale_clip and self.ratio_tolerance > self.clip_range:
            raise ValueError(
                f"ratio_tolerance = {self.ratio_tolerance:g} exceeds clip_range = {self.clip_range:g}: "
                "what is off by more would be clipped before anything was learned"
            )
        return self

    @property
    def policy_gradient(self) -> bool:
        """Whether it learns from the steps of a path (DDPO); else from its finished picture."""
        return self.algorithm in ("ddpo_is", "ddpo_sf")

    @property
    def least_of_a_prompt(self) -> int:
        """Pictures of each prompt that the algorithm cannot do without."""
        if self.algorithm == "rwr_sparse":
            return self.weighting.least
        in_group = self.advantage.kind == "group" if self.policy_gradient else self.weighting.per_prompt
        return 2 if in_group or self.algorithm == "raft" else 1

    def learned(self, drawn: int) -> int:
        """Pictures of a prompt that are trained on, of so many drawn."""
        return {"rwr_sparse": self.weighting.winners(drawn), "raft": 1}.get(self.algorithm, drawn)


class EvaluationConfig(Contract):
    """Fixed-noise comparison of the policy with the base, on prompts it was and was not trained on."""

    every: int = Field(default=10, ge=1)
    """Iterations between evaluations. The first policy and the last are always evaluated."""
    set: str = "tiny-v1"
    """Name of a frozen evaluation set in components/prompts/data."""
    seeds: int = Field(default=4, ge=1)
    """Pictures a prompt. Below 4 the interval is mostly noise."""
    judges: tuple[RewardConfig, ...] = (RewardConfig(name="judge"),)
    """Scorers that the reward never sees. Shown beside it, never optimised."""
    shards: int = Field(default=2, ge=1, le=64)
    """Sampling tasks an evaluation."""
    probes: tuple[RewardConfig, ...] = ()
    """Scorers that only the guard reads: `text_masked` (the reward without painted words), `safety` (fit to show)."""
    deployed_seeds: int = Field(default=1, ge=0)
    """Pictures a prompt drawn once more by the sampler that ships, eta 0. Training uses a stochastic one. 0: none."""
    resamples: int = Field(default=2000, ge=100)
    """Bootstrap resamples: over prompts, then over seeds within each."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Level of the intervals."""


class GuardConfig(Contract):
    """When a policy pays too much for its reward, and what the run does then."""

    calibration: str = "tiny-v1"
    """Limits measured on a base and its healthy runs: a name in components/evaluation/calibrations, or the URI of a
    JSON file of that form. `none`: what is not given here is shown and does not vote."""
    on_fail: Literal["stop", "lower_rate", "hold", "continue"] = "stop"
    """`stop`: end, and fall back to the best passing policy. `lower_rate`: go on at `rate_factor` of the learning rate.
    `hold`: go on, and let nothing of this run be promoted. `continue`: go on, and say so."""
    patience: int = Field(default=2, ge=1)
    """Evaluations in a row on which a signal must fail. 1 stops at the first, and at every fluke. Caps never wait."""
    rate_factor: float = Field(default=0.5, gt=0, lt=1)
    """What `lower_rate` multiplies the learning rate by, at each failed evaluation."""
    judge_warn: float = Field(default=0.15, gt=0, lt=1)
    """Share of its base score that a judge may lose, significantly, before the guard warns."""
    judge_fail: float = Field(default=0.35, gt=0, le=1)
    """Share of its base score beyond which a judge's significant loss fails."""
    kl_cap: float | None = Field(default=None, gt=0)
    """Path KL to the original base, nats, beyond which a policy fails at once, over all warm starts. None: the
    calibration's."""
    lifetime_queries: int | None = Field(default=None, ge=1)
    """Reward queries that a chain of warm starts may spend in all. None: no cap."""
    missing_warn: float = Field(default=0.01, ge=0, le=1)
    """Share of an evaluation's rewards that may be missing before the guard warns; above 5 % the scoring step waits."""
    constant_fail: float = Field(default=0.5, gt=0, le=1)
    """Share of pictures with one and the same reward, beyond the base's own share, that fails."""

    @model_validator(mode="after")
    def _warns_before_it_fails(self) -> GuardConfig:
        if self.judge_warn > self.judge_fail:
            raise ValueError(f"judge_warn = {self.judge_warn} lies beyond judge_fail = {self.judge_fail}")
        return self


class StopConfig(Contract):
    """When a campaign ends before its last iteration."""

    target_gain: float | None = Field(default=None, gt=0)
    """End once the held-out gain reaches this many base standard deviations. None: never."""
    plateau: int | None = Field(default=None, ge=1)
    """End after this many evaluations in a row without a better held-out gain. None: never."""
    reward_queries: int | None = Field(default=None, ge=1)
    """Budget of pictures scored for training in this run: no iteration that would exceed it is begun. None: none."""
    gpu_hours: float | None = Field(default=None, gt=0)
    """Budget of hours spent in sampling and training, summed over shards and over the processes of a training. No
    iteration begins beyond it. None: none."""


class RegistrationConfig(Contract):
    """Where a finished policy is registered."""

    model: str = Field(default="ddpo-tiny", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    """Registered model in MLflow: letters, digits, dot, dash, underscore."""
    enabled: bool = True
    """False leaves the registry alone."""


class PromotionConfig(Contract):
    """What a registered policy must show to become the model's champion, and who has the last word."""

    approval: Literal["person", "automatic"] = "person"
    """`person`: somebody approves in Airflow or on the command line; silence rejects. `automatic`: the gates decide,
    and a policy that the guard warns of waits for a person all the same."""
    min_gain: float = Field(default=0.0)
    """The lower end of the held-out gain against the base must lie above this, in base standard deviations."""
    min_gain_over_champion: float = Field(default=0.0)
    """The same against the champion. A negative value lets an equal policy in."""
    audit: Literal["required", "warn", "off"] = "warn"
    """What the reward's audit (`ddpo audit`) decides. `warn`: one that failed refuses; without one, or where it warns,
    a person decides. `required`: without one, no iteration is begun and nothing is promoted. `off`: nobody looks."""


class RunConfig(Contract):
    """One fine-tuning campaign, completely."""

    iterations: int = Field(default=30, ge=1, le=100_000)
    """Rounds of prompts, sampling, scoring and training."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of everything random in training. Evaluation noise does not depend on it."""
    start_adapter: str | None = None
    """URI of a committed training result to start from. None starts from the bare base."""
    base: BaseModelConfig = BaseModelConfig()
    prompts: PromptsConfig = PromptsConfig()
    sampler: SamplerConfig = SamplerConfig()
    reward: RewardConfig = RewardConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    guard: GuardConfig = GuardConfig()
    stop: StopConfig = StopConfig()
    registration: RegistrationConfig = RegistrationConfig()
    promotion: PromotionConfig = PromotionConfig()

    @model_validator(mode="after")
    def _parts_fit(self) -> RunConfig:
        samples = self.prompts.prompts * self.prompts.samples_per_prompt
        if self.sampler.eta == 0:
            raise ValueError("sampler.eta = 0 is deterministic and has no log-prob: training needs eta above 0")
        if self.training.trainable == "unet" and self.base.dtype == "float16":
            raise ValueError('training.trainable = "unet" in float16 loses small gradients: use bfloat16 or float32')
        learned = self.prompts.prompts * self.training.learned(self.prompts.samples_per_prompt)
        if self.training.updates > learned:
            of = "samples of" if learned == samples else f"samples that {self.training.algorithm} keeps of"
            raise ValueError(f"training.updates = {self.training.updates} exceeds the {learned} {of} an iteration")
        self._require_enough_of_each_prompt()
        if self.training.processes > self.prompts.shards:
            raise ValueError(
                f"training.processes = {self.training.processes} exceeds prompts.shards = {self.prompts.shards}: each "
                "process trains on shards of its own"
            )
        if self.prompts.shards > samples:
            raise ValueError(f"prompts.shards = {self.prompts.shards} exceeds the {samples} samples of an iteration")
        return self

    def _require_enough_of_each_prompt(self) -> None:
        training, drawn = self.training, self.prompts.samples_per_prompt
        if drawn >= (least := training.least_of_a_prompt):
            return
        asks = {
            "rwr_sparse": f"rwr_sparse with top_share = {training.weighting.top_share:g}",
            "raft": "raft, which trains on the best picture of each prompt,",
            "rwr": "weighting.per_prompt",
        }.get(training.algorithm, 'advantage.kind = "group"')
        raise ValueError(f"{asks} needs prompts.samples_per_prompt of at least {least}, and it is {drawn}")

    @property
    def samples_per_iteration(self) -> int:
        """Reward queries that one iteration spends."""
        return self.prompts.prompts * self.prompts.samples_per_prompt


Override = Annotated[str, "a dotted key and a TOML value: training.learning_rate=1e-3"]


def load_config(path: Path, overrides: tuple[Override, ...] = ()) -> RunConfig:
    """Read a preset and apply `key.sub=value` overrides.

    Raises BadRequest, naming the key and the allowed range, for anything that is not a config.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadRequest(f"no preset at {path}", hint="`ddpo presets` lists them") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} is not TOML: {error}") from None
    for override in overrides:
        apply_override(tree, override)
    return parse_config(tree, source=path.name)


def parse_config(tree: dict[str, Any], *, source: str = "config") -> RunConfig:
    """Validate a tree of values. Raises BadRequest with one clause for each wrong key.

    Strictly, as JSON is: "3" and true are no numbers, whatever could be made of them.
    """
    try:
        return RunConfig.model_validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        raise BadRequest(f"{source}: {describe(error)}") from None


def flat(tree: object, prefix: str = "") -> dict[str, object]:
    """A config's values with dotted keys; an empty section is a value.

    >>> flat({"a": {"b": 1}, "c": {}})
    {'a.b': 1, 'c': {}}
    """
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree}
    return {k: v for name, inner in tree.items() for k, v in flat(inner, f"{prefix}.{name}".lstrip(".")).items()}


def describe(error: ValidationError) -> str:
    """Name each wrong key, what was given and what is allowed, in one line."""
    clauses = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "config"
        if item["type"] == "extra_forbidden":
            clauses.append(f"{key}: unknown key")
        elif item["type"] == "missing":
            clauses.append(f"{key}: missing")
        elif item["type"] == "value_error":
            clauses.append(f"{key}: {item['ctx']['error']}" if item["loc"] else str(item["ctx"]["error"]))
        else:
            clauses.append(f"{key} = {item['input']!r:.80}: {item['msg'].removeprefix('Input ')}")
    return "; ".join(clauses)


def apply_override(tree: dict[str, Any], override: Override) -> None:
    """Set one key of a tree of values. Raises BadRequest for an override that is none."""
    key, separator, value = override.partition("=")
    if not separator:
        raise BadRequest(f"override {override!r} has no value", hint="write it as training.learning_rate=1e-3")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value  # a bare word is a string: quoting it twice for a shell teaches nothing
    *sections, leaf = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise BadRequest(f"override {override!r}: {section} is not a section")
    tree[leaf] = parsed
