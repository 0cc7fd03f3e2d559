"""A table of limits from measurements: limits for any reward, and those of a reward of which enough runs went well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.calibration.choosing import ENOUGH, Healthy, choose
from components.core.contracts import Signal
from components.evaluation.limits import Calibration


@dataclass(frozen=True)
class Measured:
    """What a table is made from."""

    name: str
    base_id: str
    evaluation_set: str
    null: Sequence[tuple[Signal, ...]]
    """Seed sets of the base."""
    healthy: Sequence[Healthy]

    def table(self, *, own_limits: int = ENOUGH) -> Calibration:
        """Choose every limit; a reward has limits of its own from so many healthy runs on."""
        names = [signal.name for signal in self.null[0]]
        rewards = {
            reward: of_reward
            for reward in dict.fromkeys(run.reward for run in self.healthy)
            if len(of_reward := [run for run in self.healthy if run.reward == reward]) >= own_limits
        }
        return Calibration(
            name=self.name,
            base_id=self.base_id,
            evaluation_set=self.evaluation_set,
            limits=choose(names, self.null, self.healthy),
            rewards={reward: choose(names, self.null, runs) for reward, runs in rewards.items()},
        )

    def table_without(self, run: str) -> Calibration:
        """The table had this run never been made; its reward keeps limits of its own with one run less."""
        others = [other for other in self.healthy if other.run != run]
        measured = Measured(self.name, self.base_id, self.evaluation_set, self.null, others)
        return measured.table(own_limits=ENOUGH - 1)
