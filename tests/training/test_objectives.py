"""The losses on a linear-Gaussian denoiser, whose policy gradient, KL and denoising error are known in closed form."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from components.core.config import SamplerConfig, TrainingConfig, WeightingConfig
from components.policy import ddim
from components.training.denoising import Denoising
from components.training.objective import make_objective, make_plan
from components.training.pairs import Pairs
from components.training.policy_gradient import PolicyGradient
from components.training.weighting import exponential
from tests.training.toy import drawn, gradient, linear_policy

STEPS = 3
SAMPLER = SamplerConfig(steps=STEPS, guidance_scale=1.0)
SF = TrainingConfig(algorithm="ddpo_sf", updates=1)


def expected_reward(a: Tensor, b: Tensor, schedule: ddim.Schedule) -> Tensor:
    """E[-(x_0 - 1)^2] = -(m - 1)^2 - v, where each step maps mean and variance by x <- k x + e b + sigma z.

    DDIM's mean is s x + e (a x + b) with s = sqrt(abar_prev / abar); nothing of the project's is used but its numbers.
    """
    mean, variance = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    for i in range(schedule.steps):
        now, before, sigma = (
            c[i].double() for c in (schedule.alpha_bar_T, schedule.alpha_bar_prev_T, schedule.sigma_T)
        )
        scale = (before / now).sqrt()
        e = (1 - before - sigma**2).clamp(min=0).sqrt() - scale * (1 - now).sqrt()
        k = scale + e * a
        mean, variance = k * mean + e * b, k**2 * variance + sigma**2
    return -((mean - 1) ** 2) - variance


def test_the_score_functions_mean_is_the_policy_gradient() -> None:
    """A million trajectories in 100 batches: within four standard errors of the closed form, each below 5 % of it."""
    policy, estimates = linear_policy(0.5, 0.1), []
    a, b = (p.detach().double().requires_grad_() for p in (policy.unet.a, policy.unet.b))
    schedule = ddim.make_schedule(policy.scheduler, SAMPLER)
    value = expected_reward(a, b, schedule)
    wanted = torch.stack(torch.autograd.grad(value, [a, b]))
    for seed in range(100):
        evaluator = drawn(policy, 10_000, SAMPLER, seed=seed)
        reward = -((evaluator.experience.latents_MSCHW[:, -1].flatten() - 1) ** 2)
        objective = PolicyGradient(evaluator, reward - value.detach().float(), SF)
        minimised = objective(Pairs.of(torch.arange(10_000), STEPS))[0]
        estimates.append(-STEPS * gradient(policy, minimised).double())  # the loss is a mean over the steps too
    found = torch.stack(estimates)
    error = found.std(dim=0) / math.sqrt(len(found))
    assert ((found.mean(dim=0) - wanted).abs() < 4 * error).all()
    assert (error < 0.05 * wanted.abs()).all()


@pytest.mark.parametrize("seed", range(3))
def test_at_ratio_one_importance_sampling_has_the_score_functions_gradient(seed: int) -> None:
    policy = linear_policy(0.7, -0.2, size=4)
    evaluator = drawn(policy, 64, SAMPLER, seed=seed)
    advantage = torch.randn(64, generator=torch.Generator().manual_seed(seed))
    pairs = Pairs.of(torch.arange(64), STEPS)
    by_is, by_sf = (PolicyGradient(evaluator, advantage, config)(pairs) for config in (TrainingConfig(), SF))
    assert gradient(policy, by_is[0]).tolist() == pytest.approx(gradient(policy, by_sf[0]).tolist(), rel=1e-4)
    assert float(by_is[1]) == 0


@pytest.mark.parametrize("size", [1, 4])
def test_the_closed_form_kl_is_that_of_drawn_steps(size: int) -> None:
    """20 000 actions of each state: mean of log p - log p_base, by torch's own Normal, summed over the latent."""
    policy = linear_policy(0.6, 0.2, base=(0.5, 0.1), size=size)
    evaluator, pairs = drawn(policy, 2, SAMPLER), Pairs.of(torch.arange(2), STEPS)
    objective = PolicyGradient(evaluator, torch.zeros(2), TrainingConfig(kl_weight=1.0))
    with torch.no_grad():
        mean, base = (evaluator.mean(unet, pairs) for unet in (policy.unet, policy.base_unet))
        closed = objective.kl_to_base(mean, pairs)
    generator = torch.Generator().manual_seed(1)
    for i in range(len(pairs)):
        sigma = evaluator.sigma(pairs)[i]
        noise = torch.randn(20_000, *mean[i].shape, generator=generator, dtype=torch.float64)
        new, old = (torch.distributions.Normal(m[i].double(), sigma.double()) for m in (mean, base))
        action = mean[i] + sigma * noise
        log_ratio = (new.log_prob(action) - old.log_prob(action)).sum(dim=(1, 2, 3))
        error = float(log_ratio.std()) / math.sqrt(len(noise))
        assert float(closed[i]) == pytest.approx(float(log_ratio.mean()), abs=4 * error)
    assert float(closed.min()) > 0


def test_equal_policies_have_no_kl() -> None:
    policy = linear_policy(0.5, 0.1, base=(0.5, 0.1), size=2)
    evaluator = drawn(policy, 8, SAMPLER)
    objective = PolicyGradient(evaluator, torch.zeros(8), TrainingConfig(kl_weight=3.0))
    minimised, *_, kl = objective(Pairs.of(torch.arange(8), STEPS))
    assert objective.metrics[-1] == "kl_per_step"
    assert float(kl) == 0
    assert gradient(policy, minimised).tolist() == [0, 0]


def test_the_kl_pulls_towards_the_base_by_its_weight() -> None:
    """Derivative by b, by hand: the mean over pairs of sum (mu - mu_base) e / sigma^2, times the weight 0.3."""
    policy = linear_policy(0.5, 0.3, base=(0.5, 0.1), size=2)
    evaluator = drawn(policy, 8, SAMPLER)
    advantage, pairs = torch.linspace(-1, 1, 8), Pairs.of(torch.arange(8), STEPS)
    plain, with_kl = (
        PolicyGradient(evaluator, advantage, TrainingConfig(kl_weight=weight))(pairs) for weight in (0.0, 0.3)
    )
    schedule = evaluator.schedule
    e = (1 - schedule.alpha_bar_prev_T - schedule.sigma_T**2).clamp(min=0).sqrt() - (
        schedule.alpha_bar_prev_T / schedule.alpha_bar_T * (1 - schedule.alpha_bar_T)
    ).sqrt()
    per_step = 4 * 0.2 * e**2 / schedule.sigma_T**2  # a latent of 4 numbers, each mean off by 0.2 e
    pull = gradient(policy, with_kl[0])[1] - gradient(policy, plain[0])[1]
    assert float(pull) == pytest.approx(0.3 * float(per_step.mean()), rel=1e-3)
    assert float(with_kl[-1]) == pytest.approx(float(per_step.mean()) * 0.1, rel=1e-3)
    assert len(plain) == 3


def test_a_larger_weight_ends_nearer_to_the_base() -> None:
    """Thirty on-policy updates towards x_0 = 1: each of four weights leaves less than half the KL of the one before."""
    pairs, left = Pairs.of(torch.arange(64), STEPS), []
    for weight in (0.0, 0.01, 0.03, 0.1):
        policy = linear_policy(0.5, 0.1, base=(0.5, 0.1), size=2)
        optimizer = torch.optim.Adam(policy.unet.parameters(), lr=0.01)
        config = TrainingConfig(algorithm="ddpo_sf", updates=1, kl_weight=weight)
        for seed in range(30):
            evaluator = drawn(policy, 64, SAMPLER, seed=seed)
            reward = -((evaluator.experience.latents_MSCHW[:, -1].mean(dim=(1, 2, 3)) - 1) ** 2)
            objective = PolicyGradient(evaluator, (reward - reward.mean()) / reward.std(), config)
            optimizer.zero_grad()
            objective(pairs)[0].backward()
            optimizer.step()
        with torch.no_grad():
            left.append(float(objective.kl_to_base(evaluator.mean(policy.unet, pairs), pairs).mean()))
    assert all(more > 2 * less for more, less in pairwise(left))


@pytest.mark.parametrize("v", [False, True])
def test_equal_rewards_make_rwr_the_plain_denoising_gradient(v: bool) -> None:
    """By hand: x_t = sqrt(abar) x_0 + sqrt(1 - abar) eps, target eps, or v = sqrt(abar) eps - sqrt(1 - abar) x_0."""
    policy = linear_policy(0.4, 0.2, size=2, v=v)
    evaluator = drawn(policy, 16, SAMPLER)
    weight = torch.tensor(exponential(["a cat"] * 16, torch.full((16,), 0.1).numpy(), WeightingConfig())).float()
    objective, pairs = Denoising(evaluator, weight, seed=5), Pairs.of(torch.arange(16), 4)
    rwr = gradient(policy, objective(pairs)[0])

    timestep, noise = objective.draw(pairs)
    clean = evaluator.experience.latents_MSCHW[pairs.sample_P, -1]
    signal = policy.scheduler.alphas_cumprod[timestep].view(-1, 1, 1, 1)
    noised = signal.sqrt() * clean + (1 - signal).sqrt() * noise
    target = signal.sqrt() * noise - (1 - signal).sqrt() * clean if v else noise
    plain = gradient(policy, torch.nn.functional.mse_loss(policy.unet.a * noised + policy.unet.b, target))
    assert rwr.tolist() == pytest.approx(plain.tolist(), rel=1e-5)


def test_a_heavier_picture_counts_for_more() -> None:
    """Weights 3 and 1: the loss is (3 error_0 + error_1) / 2, and the error is told without them."""
    evaluator = drawn(linear_policy(0.4, 0.2), 2, SAMPLER)
    objective, pairs = (
        Denoising(evaluator, torch.tensor([3.0, 1.0]), seed=5),
        Pairs(torch.arange(2), torch.zeros(2).long()),
    )
    error = objective.error(pairs).detach()
    minimised, told = (value.detach() for value in objective(pairs))
    assert float(minimised) == pytest.approx(float(3 * error[0] + error[1]) / 2)
    assert float(told) == pytest.approx(float(error.mean()))


def test_what_is_drawn_for_a_pair_depends_on_the_pair_alone() -> None:
    """The order of a batch, its size and the other pairs change nothing; another copy, sample or seed changes all."""
    evaluator = drawn(linear_policy(0.4, 0.2, size=4), 3, SAMPLER)
    objective, pairs = Denoising(evaluator, torch.ones(3), seed=5), Pairs.of(torch.arange(3), 5)
    timestep, noise = objective.draw(pairs)
    order = torch.randperm(15)
    shuffled = objective.draw(Pairs(pairs.sample_P[order], pairs.step_P[order]))
    assert torch.equal(shuffled[0], timestep[order])
    assert torch.equal(shuffled[1], noise[order])
    other = Denoising(evaluator, torch.ones(3), seed=6).draw(pairs)[1]
    everything = torch.cat([noise, other]).flatten(1)
    assert len(everything.unique(dim=0)) == 30


def test_timesteps_are_those_of_the_base_models_training() -> None:
    """All 1000, not the sampler's three: 3000 draws have mean 499.5 +- 5.3 (one standard error)."""
    evaluator = drawn(linear_policy(0.4, 0.2), 300, SAMPLER)
    timestep = Denoising(evaluator, torch.ones(300), seed=0).draw(Pairs.of(torch.arange(300), 10))[0]
    assert float(timestep.float().mean()) == pytest.approx(499.5, abs=4 * 5.3)
    assert 0 <= int(timestep.min()) < 20
    assert 980 <= int(timestep.max()) < 1000


def test_who_is_trained_on() -> None:
    """Weights 0, 1, 0, 1: winners alone where winners are chosen, everybody for rwr, however light."""
    credit = torch.tensor([0.0, 1.0, 0.0, 1.0])
    for algorithm, wanted in (
        ("raft", {1, 3}),
        ("rwr_sparse", {1, 3}),
        ("rwr", {0, 1, 2, 3}),
        ("ddpo_is", {0, 1, 2, 3}),
    ):
        config = TrainingConfig.model_validate({"algorithm": algorithm, "updates": 1})
        (pairs,) = make_plan(credit, STEPS, config, seed=0)
        assert set(pairs.sample_P.tolist()) == wanted
        objective = make_objective(drawn(linear_policy(0.4, 0.2), 4, SAMPLER), credit, config, seed=0)
        assert isinstance(objective, PolicyGradient) is (algorithm == "ddpo_is")
