"""Everything that a calibration measures, by name, kept in a working directory: a repeat measures nothing again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.calibration import text
from benchmarks.calibration.choosing import Healthy
from benchmarks.calibration.collapses import Collapse, collapses
from benchmarks.calibration.measuring import Numbers, load, measure, save
from benchmarks.calibration.readings import kept, read_signals
from benchmarks.calibration.seed_sets import BaseModel
from benchmarks.calibration.stored_runs import StoredRun
from benchmarks.calibration.trials import Evaluation
from components.core import plan
from components.core.config import RewardConfig
from components.core.contracts import Signal
from components.core.layout import policy_name
from components.core.records import SampleRow

Drawn = tuple[list[SampleRow], list[Image.Image]]


class Bench:
    """Base, sampler, set and scorers are those of the first run; every run adds its reward to the scorers."""

    def __init__(self, work: Path, runs: list[StoredRun]) -> None:
        self._work = work
        self.config = runs[0].config
        self.rewards: dict[str, RewardConfig] = {run.reward: run.config.reward for run in runs}
        self._judges = self.config.evaluation.judges

    @cached_property
    def model(self) -> BaseModel:
        """The base, loaded once and only where something is still to be drawn."""
        return BaseModel(self.config)

    def seed_set(self, number: int, reward: str) -> tuple[Signal, ...]:
        """Signals of a seed set of the base, as if it were a policy of a run with this reward."""
        return self._signals(f"set-{number:03d}", lambda: self._drawn(number), self.standard, reward)

    def standard(self) -> Numbers:
        """The base on the noise of every evaluation."""
        return self._drawn(None)

    def healthy(self, run: StoredRun) -> Healthy:
        """Signals of every evaluation of a run but that of its start, which is the base."""
        evaluated = tuple(self._of_run(run, policy) for policy in run.evaluated if policy)
        return Healthy(run.layout.run_id, run.reward, evaluated)

    def replayed(self, run: StoredRun) -> list[Evaluation]:
        """Signals and judge of every evaluation of a run."""
        judge = self._judges[0].name
        base = _mean(self._evaluation(run, 0), judge)
        return [
            Evaluation(policy, self._of_run(run, policy), _mean(self._evaluation(run, policy), judge) / base)
            for policy in run.evaluated
        ]

    def collapsed(self, collapse: Collapse, reward: str) -> tuple[Signal, ...]:
        """Signals of the base's own pictures after a collapse."""

        def ruined() -> Numbers:
            samples, pictures = self.model.draw(None)
            return measure(self.model.id, samples, collapse.ruin(pictures), self._scorers)

        name = collapse.name.replace(" ", "-")
        return self._signals(name, lambda: self._numbers(f"collapses/{name}", ruined), self.standard, reward)

    @property
    def unread(self) -> bool:
        """Whether the runs left no text signals, because their pictures are too small to read."""
        return plan.TEXT_MASKED not in [probe.name for probe in self.config.evaluation.probes]

    def text_of_set(self, number: int) -> tuple[Signal, ...]:
        """Text signals of a seed set, enlarged."""
        return self._text(f"set-{number:03d}", lambda: self.model.draw(number))

    def text_of_run(self, run: StoredRun) -> tuple[Signal, ...]:
        """Text signals of a run's last evaluation, enlarged, against the base's pictures of its prompts."""
        name = run.layout.run_id
        same = run.config.prompts.template == self.config.prompts.template
        base = None if same else self._numbers(f"text/{name}-base", lambda: self._enlarged(*run.drawn(0)))
        return self._text(name, lambda: run.drawn(run.evaluated[-1]), base)

    def text_of(self, collapse: Collapse) -> tuple[Signal, ...]:
        """Text signals of a collapse of enlarged pictures: letters as large as a fifth of them."""

        def ruined() -> Drawn:
            samples, pictures = self.model.draw(None)
            return samples, collapse.ruin([text.large(picture) for picture in pictures])

        return self._text(collapse.name.replace(" ", "-"), ruined)

    def _text(self, name: str, drawn: Callable[[], Drawn], base: Numbers | None = None) -> tuple[Signal, ...]:
        base = base or self._numbers("text/standard", lambda: self._enlarged(*self.model.draw(None)))
        numbers = self._numbers(f"text/{name}", lambda: self._enlarged(*drawn()))
        return text.text_signals(numbers, base, self._text_reward, self.config.evaluation)

    def _enlarged(self, samples: Sequence[SampleRow], pictures: Sequence[Image.Image]) -> Numbers:
        return text.enlarged("", samples, pictures, self._text_reward)

    @property
    def _text_reward(self) -> RewardConfig:
        return next(iter(self.rewards.values()))

    @property
    def collapses(self) -> list[Collapse]:
        """Every way of ruin for pictures of this config."""
        return collapses(self.config.evaluation.seeds)

    @property
    def _scorers(self) -> tuple[RewardConfig, ...]:
        """Judges and probes of the first run, and every run's reward."""
        return (*self.rewards.values(), *plan.scorers(self.config)[1:])

    def _of_run(self, run: StoredRun, policy: int) -> tuple[Signal, ...]:
        name = f"{run.layout.run_id}-{policy_name(policy)}"
        return self._signals(name, lambda: self._evaluation(run, policy), lambda: self._evaluation(run, 0), run.reward)

    def _evaluation(self, run: StoredRun, policy: int) -> Numbers:
        return self._numbers(f"runs/{run.layout.run_id}/{policy_name(policy)}", lambda: run.numbers(policy))

    def _drawn(self, number: int | None) -> Numbers:
        def draw() -> Numbers:
            samples, pictures = self.model.draw(number)
            return measure(self.model.id, samples, pictures, self._scorers)

        return self._numbers(f"base/{'standard' if number is None else f'set-{number:03d}'}", draw)

    def _numbers(self, name: str, make: Callable[[], Numbers]) -> Numbers:
        path = self._work / f"{name}.npz"
        if not path.exists():
            save(make(), path)
        return load(path)

    def _signals(
        self, name: str, candidate: Callable[[], Numbers], base: Callable[[], Numbers], reward: str
    ) -> tuple[Signal, ...]:
        return kept(
            self._work / "signals" / reward / f"{name}.jsonl",
            lambda: read_signals(candidate(), base(), reward, self.config.evaluation),
        )


def _mean(numbers: Numbers, scorer: str) -> float:
    return float(np.mean([row.reward for row in numbers.policy.rewards[scorer].values() if row.reward is not None]))
