"""The losses, with numbers worked out by hand."""

import math

import pytest
import torch

from components.training import loss


def is_loss(ratio: float, advantage: float, clip: float = 0.01) -> float:
    new, old, advantages = (torch.tensor([v], dtype=torch.float64) for v in (math.log(ratio), 0.0, advantage))
    return float(loss.importance_sampling_loss(new, old, advantages, clip))


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.1, 1.0, -1.01),  # better than usual and already more likely: no more than the clip is gained
        (1.1, -1.0, 1.1),  # worse and more likely: pushed back in full
        (0.9, 1.0, -0.9),  # better and less likely: pulled back in full
        (0.9, -1.0, 0.99),  # worse and already less likely: no more than the clip is gained
        (1.0, 2.5, -2.5),
        (1.5, 0.0, 0.0),
    ],
)
def test_the_clipped_surrogate(ratio, advantage, expected):
    assert is_loss(ratio, advantage) == pytest.approx(expected)


@pytest.mark.parametrize("advantage", [-2.0, -0.1, 0.1, 2.0])
@pytest.mark.parametrize("ratio", [0.5, 0.989, 0.991, 1.0, 1.009, 1.011, 2.0])
def test_the_gradient_is_exactly_zero_where_the_clip_is_passed_in_the_adverse_direction(ratio, advantage):
    """Outside 0.99..1.01 on the side that the advantage pushes to: exactly 0. Elsewhere -A r, also outside."""
    new = torch.tensor([math.log(ratio)], dtype=torch.float64, requires_grad=True)
    loss.importance_sampling_loss(new, torch.zeros(1, dtype=torch.float64), torch.tensor([advantage]), 0.01).backward()
    gone_too_far = ratio > 1.01 if advantage > 0 else ratio < 0.99
    if gone_too_far:
        assert float(new.grad) == 0.0
    else:
        assert float(new.grad) == pytest.approx(-advantage * ratio)


def test_a_clipped_pair_has_no_gradient_and_the_other_pulls():
    new = torch.tensor([math.log(1.1), 0.0], requires_grad=True)
    loss.importance_sampling_loss(new, torch.zeros(2), torch.ones(2), 0.01).backward()
    assert new.grad.tolist() == pytest.approx([0.0, -0.5])  # -advantage * ratio / 2 pairs


def test_at_ratio_one_both_algorithms_have_one_gradient():
    advantage = torch.tensor([1.5, -0.5, 2.0])
    old = torch.tensor([-1.0, 0.3, 2.0])
    new_is, new_sf = old.clone().requires_grad_(), old.clone().requires_grad_()
    loss.importance_sampling_loss(new_is, old, advantage, 1e-4).backward()
    loss.score_function_loss(new_sf, advantage).backward()
    assert new_is.grad.tolist() == pytest.approx(new_sf.grad.tolist())


def test_clip_fraction_counts_ratios_outside_the_clip():
    log_ratio = torch.tensor([0.0, 0.05, -0.05, 0.005])
    assert float(loss.clip_fraction(log_ratio, torch.zeros(4), 0.01)) == 0.5


def test_approximate_kl_of_one_pair():
    """(r - 1) - log r at r = e: e - 2."""
    assert float(loss.approximate_kl(torch.tensor([1.0]), torch.tensor([0.0]))) == pytest.approx(math.e - 2)
