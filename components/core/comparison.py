"""A comparison of algorithms: what is asked, and the runs that it is made of. Pure but for `freeze` and `load`.

Algorithms x rewards x seeds, every run at the same number of reward queries and from the same base. Each is a normal
run of the store, with an id that follows from the comparison: `tiny-rwr-compressibility-s0`. So a comparison that was
killed goes on where it was, and what is finished is not run again.

An algorithm with several learning rates is tuned first: each rate, on each reward, with each tuning seed, on a small
budget that is the same for all; the best by the score of `comparison_scores.py` is what the seeds are run with.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from components.core import layout, store
from components.core.config import Contract, Override, RunConfig, StopConfig, apply_override, describe, flat
from components.core.contracts import Request, Result
from components.core.errors import BadRequest, Conflict, MissingInput
from components.core.layout import RunLayout

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""Of an algorithm or a reward: part of a run's id."""
Arm = tuple[str, str]
"""An algorithm and a reward."""


class RewardArm(Contract):
    """A task: what the policies are paid for."""

    preset: str
    """Preset that every run on this reward starts from: base, prompts, sampler, reward, judges."""
    overrides: tuple[Override, ...] = ()
    """Changes to it, `key=value`."""


class AlgorithmArm(Contract):
    """One way to train."""

    algorithm: str | None = None
    """`training.algorithm`. None: the name under which it stands here."""
    learning_rates: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(min_length=1)
    """One is taken as it is. Several are tuned: the best of them, for each reward."""
    overrides: tuple[Override, ...] = ()
    """What else it trains with, `key=value`. They come last."""


class KeepConfig(Contract):
    """What a policy must keep of the base for its gain to count: a reward can be won by destroying pictures."""

    judges: float = Field(default=0.9, gt=0, le=1)
    """Share of its base score that every judge must keep. 1 counts only what costs nothing."""
    diversity: float = Field(default=0.5, ge=0, le=1)
    """Share of the base's diversity within a prompt, in the judge's eyes, that must be kept: who draws one picture
    whatever the noise has lost all others. 0 does not ask."""
    loss_sd: dict[str, Annotated[float, Field(gt=0)]] = {}
    """Judge whose zero means nothing, such as pick_score -> how far its mean may fall, in standard deviations of the
    base's pictures. A share of such a score would say nothing."""


class TuningConfig(Contract):
    """The small budget on which learning rates are chosen, the same for every algorithm."""

    reward_queries: int = Field(ge=1)
    """Pictures scored for training in each tuning run."""
    evaluations: int = Field(default=2, ge=1)
    """Evaluations of each tuning run beside that of its start, evenly spaced."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(default=(1000, 1001), min_length=1)
    """Of the tuning runs of each rate, which is as good as the worst of them: one that ruins its pictures every other
    time is no good. None of the comparison's own: a rate that was lucky once must not be lucky again."""


class ComparisonConfig(Contract):
    """One comparison, completely: a TOML file."""

    title: str = Field(min_length=1)
    """Heading of the page."""
    reward_queries: int = Field(ge=1)
    """Pictures scored for training in each run: the budget that all have alike."""
    evaluations: int = Field(default=5, ge=1)
    """Evaluations of each run beside that of its start, evenly spaced over its queries."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(min_length=1)
    """One run each, of every algorithm on every reward. Below 3 there is no band to speak of."""
    keep: KeepConfig = KeepConfig()
    overrides: tuple[Override, ...] = ()
    """Changes to every run, `key=value`: after the reward's, before the algorithm's."""
    rewards: dict[Name, RewardArm] = Field(min_length=1)
    algorithms: dict[Name, AlgorithmArm] = Field(min_length=1, max_length=6)
    """Six at most: a figure has no more lines that a reader tells apart."""
    tuning: TuningConfig | None = None
    """None where every algorithm has one learning rate."""

    @model_validator(mode="after")
    def _is_fair(self) -> ComparisonConfig:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: the same one twice is one run")
        counts = {name: len(set(arm.learning_rates)) for name, arm in self.algorithms.items()}
        if any(len(arm.learning_rates) != counts[name] for name, arm in self.algorithms.items()):
            raise ValueError("learning_rates: the same one twice is one run")
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise ValueError(f"learning_rates: an equal budget needs as many for each algorithm, not {said}")
        if max(counts.values()) > 1 and self.tuning is None:
            raise ValueError("learning_rates: several need a section [tuning]")
        if self.tuning is not None and (both := sorted(set(self.tuning.seeds) & set(self.seeds))):
            raise ValueError(f"tuning.seeds: {both[0]} is one of the comparison's seeds")
        return self

    @property
    def arms(self) -> list[Arm]:
        """Every algorithm on every reward, reward by reward."""
        return [(algorithm, reward) for reward in self.rewards for algorithm in self.algorithms]

    @property
    def tunes(self) -> bool:
        """Whether learning rates are to be chosen."""
        return any(len(arm.learning_rates) > 1 for arm in self.algorithms.values())


class ComparisonRequest(Request):
    """Open a comparison. `out` is its own prefix."""

    config: ComparisonConfig
    arms: dict[str, RunConfig]
    """`<algorithm>/<reward>` -> the config of its runs, all but rate, seed and length: a preset may change later."""


class ComparisonResult(Result):
    """A comparison is open once this is committed. No files."""

    comparison: str
    """Its name."""
    runs: int


@dataclass(frozen=True)
class ComparedRun:
    """One run of a comparison."""

    run: RunLayout
    algorithm: str
    reward: str
    seed: int
    learning_rate: float
    config: RunConfig
    tuning: bool

    @property
    def arm(self) -> Arm:
        """Its algorithm and its reward."""
        return (self.algorithm, self.reward)


@dataclass(frozen=True)
class Comparison:
    """A comparison that is open."""

    uri: str
    config: ComparisonConfig
    arms: Mapping[Arm, RunConfig]

    @property
    def name(self) -> str:
        """Last part of the URI."""
        return self.uri.rsplit("/", 1)[-1]

    @property
    def tuning(self) -> str:
        """Where the chosen learning rates are committed."""
        return layout.comparison_tuning(self.uri)

    @property
    def results(self) -> str:
        """Where figures and tables are committed, one for each set of evaluations."""
        return layout.comparison_results(self.uri)

    def tuning_runs(self) -> list[ComparedRun]:
        """Every learning rate of every arm that has several; none where nothing is tuned."""
        tuning = self.config.tuning
        if tuning is None:
            return []
        return [
            self._run(arm, f"lr{rate!r}-s{seed}", rate, seed, tuning.reward_queries, tuning.evaluations, tuning=True)
            for seed in tuning.seeds
            for arm in self.config.arms
            if len(self.config.algorithms[arm[0]].learning_rates) > 1
            for rate in self.config.algorithms[arm[0]].learning_rates
        ]

    def runs(self, rates: Mapping[Arm, float]) -> list[ComparedRun]:
        """Every arm with every seed, at the rate that was chosen for it. Seed by seed: a first band comes early."""
        return [
            self._run(arm, f"s{seed}", rates[arm], seed, self.config.reward_queries, self.config.evaluations)
            for seed in self.config.seeds
            for arm in self.config.arms
        ]

    def given_rates(self) -> dict[Arm, float]:
        """Rates of the arms that have one only."""
        given = {arm: self.config.algorithms[arm[0]].learning_rates for arm in self.config.arms}
        return {arm: rates[0] for arm, rates in given.items() if len(rates) == 1}

    def _run(
        self, arm: Arm, last: str, rate: float, seed: int, queries: int, evaluations: int, *, tuning: bool = False
    ) -> ComparedRun:
        algorithm, reward = arm
        run = RunLayout.of(layout.store_of_comparison(self.uri), f"{self.name}-{algorithm}-{reward}-{last}")
        config = _lasting(self.arms[arm], queries, evaluations, of=f"{algorithm} on {reward}")
        training = config.training.model_copy(update={"learning_rate": rate})
        config = config.model_copy(update={"seed": seed, "training": training})
        return ComparedRun(run, algorithm, reward, seed, rate, config, tuning)


def parse(tree: dict[str, object], overrides: Iterable[Override] = (), *, source: str) -> ComparisonConfig:
    """A comparison from a tree of values and a few changes. Raises BadRequest with one clause for each wrong key."""
    for override in overrides:
        apply_override(tree, override)
    try:
        return ComparisonConfig.model_validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        raise BadRequest(f"{source}: {describe(error)}") from None


def read(path: Path, overrides: Iterable[Override] = ()) -> ComparisonConfig:
    """A comparison from its TOML file and a few changes."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRequest(f"no comparison at {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} is not TOML: {error}") from None
    return parse(tree, overrides, source=path.name)


def arm_overrides(config: ComparisonConfig, arm: Arm) -> tuple[Override, ...]:
    """All changes to a reward's preset for one algorithm, in the order in which they are made."""
    algorithm, reward = config.algorithms[arm[0]], config.rewards[arm[1]]
    return (
        *reward.overrides,
        *config.overrides,
        f'training.algorithm="{algorithm.algorithm or arm[0]}"',
        *algorithm.overrides,
    )


def compared(config: RunConfig, comparison: str) -> RunConfig:
    """A run's config as one of a comparison: nothing ends it early, and nothing of it is registered.

    The guard judges and does not stop: a run that it ended would have spent fewer queries than the others. What it
    would have said does not count as gain all the same (`comparison_scores.py`).
    """
    guard = config.guard.model_copy(update={"on_fail": "continue", "lifetime_queries": None})
    own = {"model": f"comparison-{comparison}", "enabled": False}  # and so there is no champion to draw beside it
    registration = config.registration.model_copy(update=own)
    if not config.evaluation.judges:
        raise BadRequest("a comparison needs evaluation.judges: without one a reward can be won by destroying pictures")
    if config.start_adapter is not None:
        raise BadRequest("a comparison starts from the base: start_adapter is another run's gain")
    return config.model_copy(update={"guard": guard, "registration": registration, "stop": StopConfig()})


def would_be(store_uri: str, name: str, config: ComparisonConfig, arms: Mapping[Arm, RunConfig]) -> Comparison:
    """A comparison as it would be opened. Raises BadRequest where algorithms differ in what is asked of them, or a
    budget does not divide into iterations."""
    for reward in config.rewards:
        _require_one_task({algorithm: arms[algorithm, reward] for algorithm in config.algorithms}, reward)
    judges = {judge.name for run in arms.values() for judge in run.evaluation.judges}
    if unknown := sorted(set(config.keep.loss_sd) - judges):
        raise BadRequest(
            f"keep.loss_sd names {unknown[0]}, which is no judge here", hint=f"judges: {', '.join(sorted(judges))}"
        )
    found = Comparison(
        layout.comparison(store_uri, name), config, {arm: compared(run, name) for arm, run in arms.items()}
    )
    found.runs(dict.fromkeys(config.arms, 1.0))
    found.tuning_runs()
    return found


SAME = ("base.", "prompts.template", "prompts.train", "sampler.", "reward.", "evaluation.")
"""Settings, by how their names begin, that belong to the task and not to an algorithm."""


def _require_one_task(configs: Mapping[str, RunConfig], reward: str) -> None:
    """Raises BadRequest, naming the setting, where algorithms are not asked the same on one reward."""
    (first, wanted), *others = ((name, _task(config)) for name, config in configs.items())
    for name, task in others:
        if differing := sorted(key for key in wanted.keys() | task.keys() if wanted.get(key) != task.get(key)):
            raise BadRequest(
                f"{first} and {name} on {reward} differ in {differing[0]}, which belongs to the task",
                hint="set it in the reward's overrides, for all algorithms",
            )


def _task(config: RunConfig) -> dict[str, object]:
    settings = flat(config.model_dump(mode="json"))
    return {key: value for key, value in settings.items() if f"{key}.".startswith(SAME) and key != "sampler.batch"}


def freeze(store_uri: str, name: str, config: ComparisonConfig, arms: Mapping[Arm, RunConfig]) -> Comparison:
    """Open a comparison, or go on with it: what is frozen stays, whatever became of a preset since.

    Raises Conflict where the name is another's, and BadRequest where a budget does not divide into iterations.
    """
    uri = layout.comparison(store_uri, name)
    if store.find(uri) is not None:
        opened = load(uri)
        if opened.config != config:
            raise Conflict(f"comparison {name} exists with other settings", hint="choose another --name")
        return opened
    opened = would_be(store_uri, name, config, arms)
    runs = len(opened.tuning_runs()) + len(config.arms) * len(config.seeds)
    frozen = {"/".join(arm): run for arm, run in opened.arms.items()}
    with store.Attempt(uri, step="comparison") as attempt:
        request = ComparisonRequest(out=uri, config=config, arms=frozen)
        attempt.commit(request, ComparisonResult(comparison=name, runs=runs))
    return load(uri)


def load(uri: str) -> Comparison:
    """An open comparison. Raises MissingInput if there is none."""
    found = store.find(uri)
    if found is None:
        raise MissingInput(f"no comparison at {uri}", hint="`ddpo compare` opens one")
    request = found.asked(ComparisonRequest)
    arms = {
        (algorithm, reward): run for key, run in request.arms.items() for algorithm, _, reward in [key.partition("/")]
    }
    return Comparison(uri.rstrip("/"), request.config, arms)


def _lasting(config: RunConfig, queries: int, evaluations: int, *, of: str) -> RunConfig:
    """A config that spends exactly so many queries, evaluated so often. Raises BadRequest where that does not divide.

    >>> lasting = _lasting(RunConfig(), 640, 5, of="a run")
    >>> lasting.samples_per_iteration, lasting.iterations, lasting.evaluation.every
    (64, 10, 2)
    """
    step = config.samples_per_iteration * evaluations
    if queries % step:
        raise BadRequest(
            f"{of}: {queries} reward queries are not {evaluations} equal parts of whole iterations of "
            f"{config.samples_per_iteration} samples",
            hint=f"{max(1, round(queries / step)) * step} would be",
        )
    every = queries // step
    evaluation = config.evaluation.model_copy(update={"every": every})
    return config.model_copy(update={"iterations": every * evaluations, "evaluation": evaluation})
