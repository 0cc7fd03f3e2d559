"""Which pairs an update learns from: every sample once a pass, the same for any number of processes."""

from __future__ import annotations

import pytest
import torch

from components.core.config import TrainingConfig
from components.training.pairs import Pairs, choose_steps, plan_copies, plan_updates


def sets(plan: list[Pairs]) -> list[set[tuple[int, int]]]:
    return [set(zip(p.sample_P.tolist(), p.step_P.tolist(), strict=True)) for p in plan]


def test_a_pass_takes_every_pair_once_and_splits_the_samples_evenly() -> None:
    """10 samples in 4 updates are 3, 3, 2 and 2, each with all 5 steps."""
    plan = plan_updates(10, 5, TrainingConfig(updates=4), seed=1)
    assert [len(p) for p in plan] == [15, 15, 10, 10]
    assert set.union(*sets(plan)) == {(n, t) for n in range(10) for t in range(5)}
    order = torch.randperm(10, generator=torch.Generator().manual_seed(1)).tolist()
    assert plan[0].sample_P.tolist() == [n for n in order[:3] for _ in range(5)]


def test_dropped_samples_leave_fewer_updates() -> None:
    assert [len(p) for p in plan_updates(2, 5, TrainingConfig(updates=4), seed=1)] == [5, 5]


def test_each_inner_epoch_is_a_pass_in_an_order_of_its_own() -> None:
    """Three epochs of two updates: the first is that of one epoch, and no two are in one order."""
    once = plan_updates(8, 2, TrainingConfig(updates=2), seed=3)
    thrice = plan_updates(8, 2, TrainingConfig(updates=2, inner_epochs=3), seed=3)
    assert len(thrice) == 6
    assert sets(thrice[:2]) == sets(once)
    orders = [tuple(torch.cat([p.sample_P for p in thrice[i : i + 2]]).tolist()) for i in (0, 2, 4)]
    assert len(set(orders)) == 3
    assert all(sorted(order) == [n for n in range(8) for _ in range(2)] for order in orders)


def test_several_passes_are_not_on_policy() -> None:
    with pytest.raises(ValueError, match=r"exactly one update an iteration, so set inner_epochs = 1"):
        TrainingConfig(algorithm="ddpo_sf", updates=1, inner_epochs=2)


def test_a_fraction_of_the_steps_is_drawn_for_each_sample() -> None:
    """A quarter of 10 steps is 3, rounded up. Over 4000 samples each step comes up 1200 times, +-29 (one sd)."""
    mask = choose_steps(4000, 10, 0.25, torch.Generator().manual_seed(0))
    assert (mask.sum(dim=1) == 3).all()
    assert (mask.sum(dim=0) - 1200).abs().max() < 4 * 29
    plan = plan_updates(12, 10, TrainingConfig(updates=3, timestep_fraction=0.25), seed=0)
    assert [len(p) for p in plan] == [12, 12, 12]
    assert sets(plan) == sets(plan_updates(12, 10, TrainingConfig(updates=3, timestep_fraction=0.25), seed=0))


@pytest.mark.parametrize(("fraction", "steps"), [(1.0, 50), (0.3, 15), (0.02, 1), (0.001, 1), (0.6, 30)])
def test_a_fraction_is_rounded_up_and_no_float_adds_a_step(fraction: float, steps: int) -> None:
    """0.3 x 50 is 15, though 0.3 is a little more than three tenths in binary; never fewer than one step."""
    assert int(choose_steps(1, 50, fraction, torch.Generator()).sum()) == steps


def test_winners_are_denoised_at_as_many_copies_as_a_path_has_steps() -> None:
    """Three winners in two updates, two passes at half of 10 steps: copies 0-4, then 5-9, and nobody else's."""
    config = TrainingConfig(algorithm="raft", updates=2, inner_epochs=2, timestep_fraction=0.5)
    plan = plan_copies(torch.tensor([1, 4, 6]), 10, config, seed=3)
    assert [len(p) for p in plan] == [10, 5, 10, 5]
    assert set.union(*sets(plan[:2])) == {(n, copy) for n in (1, 4, 6) for copy in range(5)}
    assert set.union(*sets(plan[2:])) == {(n, copy) for n in (1, 4, 6) for copy in range(5, 10)}
