"""Which batch sizes this machine's memory takes, and which are fast: found by trying.

Reads    a run's config and its base; the adapter is a fresh one of the config's shape
Writes   nothing: it prints two tables and the overrides that follow from them
Needs    the device that the steps will run on, and nothing else at work there

`sampler.batch` is tried with whole batches drawn, `training.micro_batch` with gradients taken, upwards by doubling
until memory ends or a larger batch gains nothing; between the largest that fits and the smallest that does not, by
halving. The choice is a person's: it stays in the config, because another batch can change a picture's last bit.

T steps · P pairs.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from tqdm import tqdm

from components.core.config import RunConfig, SamplerConfig
from components.core.contracts import PolicyRef
from components.core.errors import BadRequest, StepError
from components.policy.load import Policy, load_policy
from components.policy.rollout import rollout
from components.training.evaluator import Evaluator
from components.training.experience import Experience
from components.training.optimizer import make_optimizer
from components.training.pairs import Pairs
from components.training.policy_gradient import PolicyGradient
from components.training.trained import make_trained
from components.training.update import accumulate

WORTH = 0.03
"""Share of time that a larger batch must save to be worth its memory."""
PROMPT = "a kangaroo riding a bike"
"""Drawn over and over; a text is padded to one length, so any costs the same."""


@dataclass(frozen=True)
class Trial:
    """One batch size that fits."""

    size: int
    seconds: float
    """For one picture, or one (sample, step) pair."""
    peak_bytes: int | None
    """Of the GPU's memory; None on a CPU."""


@dataclass(frozen=True)
class Search:
    """What was tried."""

    trials: tuple[Trial, ...]
    too_large: tuple[int, ...]
    """Sizes for which memory did not suffice."""

    @property
    def best(self) -> Trial:
        """The smallest that is nearly as fast as the fastest."""
        fastest = min(trial.seconds for trial in self.trials)
        return min((t for t in self.trials if t.seconds <= fastest * (1 + WORTH)), key=lambda t: t.size)


def search(
    try_size: Callable[[int], Trial | None], most: int, *, deadline: Callable[[], bool] = lambda: False
) -> Search:
    """Try sizes up to `most`, upwards; None from `try_size` says that memory does not suffice.

    Ends where two doublings in a row gained nothing, and at the deadline once there is an answer.
    """
    trials: list[Trial] = []
    too_large: list[int] = []
    size: int | None = 1
    while size is not None and not (trials and deadline()):
        trial = try_size(size)
        if trial is None:
            too_large.append(size)
        else:
            trials.append(trial)
        size = _next(trials, too_large, most)
    return Search(tuple(sorted(trials, key=lambda t: t.size)), tuple(sorted(too_large)))


def _next(trials: list[Trial], too_large: list[int], most: int) -> int | None:
    """The size to try next; None where there is nothing left to learn."""
    fits = max((trial.size for trial in trials), default=0)
    if too_large:
        middle = (fits + min(too_large)) // 2
        return middle if fits and middle - fits >= max(1, fits // 8) else None
    by_size = sorted(trials, key=lambda t: t.size)
    if len(by_size) >= 3 and by_size[-1].seconds > by_size[-3].seconds * (1 - WORTH):
        return None
    return min(2 * fits, most) if fits < most else None


class Measure:
    """The two measurements, on a policy with an adapter of the config's shape."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.policy: Policy = load_policy(PolicyRef(base=config.base))
        if config.training.gradient_checkpointing:
            self.policy.unet.enable_gradient_checkpointing()
        self._trained = make_trained(self.policy, config.training, seed=0)
        self._optimizer = make_optimizer(self._trained.parameters, config.training)
        self._training = config.training.model_copy(update={"algorithm": "ddpo_is"})  # one pass costs the same in all

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.policy.device

    def picture(self, size: int) -> Trial | None:
        """Draw a batch at few steps, twice; from the difference follows what all steps cost. Padding is paid for."""
        few, more = (self.config.sampler.model_copy(update={"steps": steps}) for steps in (2, 4))
        measured = self._tried(lambda: self._draw(few, size), lambda: self._draw(more, size))
        if measured is None:
            return None
        (short, long), peak = measured
        step = max(long - short, 0.0) / 2  # a disturbed measurement may find four steps faster than two
        batch = short + step * (self.config.sampler.steps - 2)
        rows = self.rows
        return Trial(size, batch * math.ceil(rows / size) / rows, peak)

    def pair(self, size: int) -> Trial | None:
        """Take a gradient over one micro-batch, as an update does."""
        measured = self._tried(lambda: self._learn(size))
        return measured and Trial(size, measured[0][0] / size, measured[1])

    @property
    def rows(self) -> int:
        """Pictures of one sampling task: a larger batch would be padding."""
        return math.ceil(self.config.samples_per_iteration / self.config.prompts.shards)

    @property
    def pairs(self) -> int:
        """Pairs of one optimiser update."""
        return math.ceil(self.config.samples_per_iteration / self.config.training.updates) * self.config.sampler.steps

    def _draw(self, sampler: SamplerConfig, size: int) -> None:
        rollout(self.policy, [PROMPT] * size, list(range(size)), sampler)

    def _learn(self, size: int) -> None:
        steps = self.config.sampler.steps
        samples = math.ceil(size / steps)
        states = torch.randn(samples, steps + 1, *self.policy.latent_shape)
        nothing = torch.zeros(samples, steps)
        everyone = torch.arange(samples)
        names = [PROMPT] * samples
        experience = Experience(names, names, [0.0] * samples, states, nothing, everyone, dropped=0)
        pairs = Pairs.of(everyone, steps)
        micro_batch = Pairs(pairs.sample_P[:size], pairs.step_P[:size])
        self._optimizer.zero_grad(set_to_none=True)
        evaluator = Evaluator(self.policy, experience, self.config.sampler)
        objective = PolicyGradient(evaluator, torch.ones(samples), self._training)
        accumulate(objective, list(self._trained.parameters.values()), micro_batch, size)
        self._optimizer.step()
        self._trained.publish()

    def _tried(self, *works: Callable[[], None]) -> tuple[list[float], int | None] | None:
        """Seconds of each, after one round to warm up, and the peak of memory; None where memory did not suffice."""
        cuda = self.device.type == "cuda"
        clear_device_cache(garbage_collection=True)
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        try:
            works[0]()
            seconds = [min(self._timed(work) for _ in range(2)) for work in works]  # whoever disturbs adds time
        except RuntimeError as error:
            if not should_reduce_batch_size(error):
                raise
        else:
            return seconds, torch.cuda.max_memory_reserved() if cuda else None
        clear_device_cache(garbage_collection=True)  # outside the handler: the traceback held the tensors
        return None

    def _timed(self, work: Callable[[], None]) -> float:
        self._settle()
        start = time.perf_counter()
        work()
        self._settle()
        return time.perf_counter() - start

    def _settle(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def fit(config: RunConfig, seconds: float) -> str:
    """Try both sizes, each for so many seconds at most, and say what was found."""
    measure = Measure(config)
    sampling = _searched(measure.picture, measure.rows, seconds, "sampler.batch")
    training = _searched(measure.pair, measure.pairs, seconds, "training.micro_batch")
    return report(config, sampling, training, place=_place(measure.device))


def report(config: RunConfig, sampling: Search, training: Search, *, place: str) -> str:
    """Two tables, what an iteration takes, and the overrides to paste."""
    samples, steps = config.samples_per_iteration, config.sampler.steps
    pairs = max(1, round(samples * steps * config.training.timestep_fraction)) * config.training.inner_epochs
    minutes = [samples * sampling.best.seconds / 60, pairs * training.best.seconds / 60]
    memory = sampling.best.peak_bytes is not None
    limit = "" if memory else "Memory is not the limit on a CPU: sizes were tried until a larger one gained nothing.\n"
    return (
        f"{place}, {config.base.model} in {config.base.dtype}\n\n"
        f"{_table('sampler.batch', f's a picture ({steps} steps)', sampling)}\n\n"
        f"{_table('training.micro_batch', 's a (sample, step) pair', training)}\n\n"
        f"An iteration of {samples} pictures: {minutes[0]:.1f} min of sampling and {minutes[1]:.1f} min of training, "
        f"on one device and without the scorer.\n{limit}"
        f"To use what is marked, in the preset or on the command line (it can change a picture's last bit):\n\n"
        f"    --set sampler.batch={sampling.best.size} --set training.micro_batch={training.best.size}"
    )


def _table(key: str, unit: str, found: Search) -> str:
    lines = [f"{key:>20}  {unit:>24}  {'peak GiB':>9}"]
    for trial in found.trials:
        peak = "" if trial.peak_bytes is None else f"{trial.peak_bytes / 2**30:.1f}"
        mark = "  <-" if trial == found.best else ""
        lines.append(f"{trial.size:>20}  {trial.seconds:>24.4g}  {peak:>9}{mark}".rstrip())
    return "\n".join([*lines, *(f"{size:>20}  {'out of memory':>24}" for size in found.too_large)])


def _searched(try_size: Callable[[int], Trial | None], most: int, seconds: float, key: str) -> Search:
    end = time.monotonic() + seconds
    with tqdm(desc=key, unit=" sizes", disable=None) as bar:

        def shown(size: int) -> Trial | None:
            bar.set_postfix_str(f"trying {size}")
            trial = try_size(size)
            bar.update()
            return trial

        found = search(shown, most, deadline=lambda: time.monotonic() > end)
    if not found.trials:
        raise BadRequest(f"not even {key} = 1 fits into memory", hint="base.dtype = float16, gradient_checkpointing")
    return found


def _place(device: torch.device) -> str:
    if device.type != "cuda":
        return f"CPU, {torch.get_num_threads()} threads"
    facts = torch.cuda.get_device_properties(device)
    return f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB"


def main() -> int:
    """Command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="python -m components.training.fitting", description=__doc__)
    parser.add_argument("--config", required=True, help="a whole run config as JSON")
    parser.add_argument("--seconds", type=float, default=120.0, help="time for each of the two, about")
    a = parser.parse_args()
    try:
        print(fit(RunConfig.model_validate_json(a.config), a.seconds))
    except StepError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
