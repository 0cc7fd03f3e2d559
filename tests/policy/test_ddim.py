"""One denoising step, against torch.distributions, diffusers' own scheduler, and published numbers."""

import pytest
import torch
from diffusers import DDIMScheduler
from torch.distributions import Normal, kl_divergence

from components.core.config import SamplerConfig
from components.core.errors import BadRequest
from components.policy import ddim

STABLE_DIFFUSION = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1,
}  # fmt: skip


def schedule(steps: int = 50, **options: object) -> ddim.Schedule:
    sampler = {key: options.pop(key) for key in ("eta", "timestep_spacing") if key in options}
    return ddim.make_schedule(DDIMScheduler(**STABLE_DIFFUSION | options), SamplerConfig(steps=steps, **sampler))


def draws(*, seed: int = 0, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(batch, 4, 8, 8, generator=generator) for _ in range(3))  # type: ignore[return-value]


def test_sigma_of_fifty_leading_steps_is_that_of_stable_diffusion():
    """0.4545 at t=981 and 0.0206 at t=1: the figures of the DDPO recipe."""
    fifty = schedule()
    assert fifty.timesteps_T[[0, -1]].tolist() == [981, 1]
    assert fifty.sigma_T[[0, -1]].tolist() == pytest.approx([0.4545, 0.0206], abs=5e-5)


def test_log_prob_is_the_mean_of_the_normal_density():
    x, mean, _ = draws()
    sigma = torch.tensor([0.02, 0.4, 1.7])
    expected = Normal(mean, sigma.view(-1, 1, 1, 1).expand_as(mean)).log_prob(x).mean(dim=(1, 2, 3))
    torch.testing.assert_close(ddim.log_prob(x, mean, sigma), expected, rtol=1e-6, atol=1e-6)


def test_kl_of_a_step_is_the_sum_of_the_normals_kl():
    a, b, _ = draws()
    sigma = torch.tensor([0.02, 0.4, 1.7])
    scale = sigma.view(-1, 1, 1, 1).expand_as(a)
    expected = kl_divergence(Normal(a, scale), Normal(b, scale)).sum(dim=(1, 2, 3))
    torch.testing.assert_close(ddim.step_kl(a, b, sigma), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_a_step_is_the_step_of_diffusers(prediction_type, spacing, eta):
    """Every step of T=10, compared with DDIMScheduler.step given the same noise."""
    own = schedule(10, timestep_spacing=spacing, eta=eta, prediction_type=prediction_type)
    theirs = DDIMScheduler(**STABLE_DIFFUSION, prediction_type=prediction_type, timestep_spacing=spacing)
    theirs.set_timesteps(10)
    assert own.timesteps_T.tolist() == theirs.timesteps.tolist()
    for i, t in enumerate(theirs.timesteps):
        x, prediction, noise = draws(seed=i)
        drawn, _, _ = ddim.draw_step(own, torch.full((3,), i), x, prediction, noise)
        expected = theirs.step(prediction, t, x, eta=eta, variance_noise=noise if eta else None).prev_sample
        torch.testing.assert_close(drawn, expected, rtol=1e-5, atol=1e-5)


def test_steps_may_differ_within_a_batch():
    ten, (x, prediction, _) = schedule(10), draws()
    mixed = ddim.step_mean(ten, torch.tensor([0, 5, 9]), x, prediction)
    apart = torch.cat([ddim.step_mean(ten, torch.tensor([s]), x[i : i + 1], prediction[i : i + 1])
                       for i, s in enumerate([0, 5, 9])])  # fmt: skip
    torch.testing.assert_close(mixed, apart, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_log_prob_is_that_of_the_rounded_value(dtype):
    """The stored action, read back and scored again, has the stored log-prob to the last bit."""
    ten, (x, prediction, noise) = schedule(10), draws()
    last = torch.full((3,), 9)
    drawn, log_prob, mean = ddim.draw_step(ten, last, x, prediction, noise, dtype)
    stored = drawn.to(dtype)
    assert torch.equal(stored.float(), drawn)
    assert torch.equal(ddim.log_prob(stored, mean, ten.sigma_T[last]), log_prob)


def test_a_step_without_noise_is_refused():
    with pytest.raises(BadRequest, match=r"step 9 \(t=1\) has sigma 0"):
        ddim.require_stochastic(schedule(10, set_alpha_to_one=True, steps_offset=1))


def test_eta_zero_is_refused():
    with pytest.raises(BadRequest, match="eta = 0 is deterministic"):
        ddim.require_stochastic(schedule(10, eta=0.0))


@pytest.mark.parametrize("option", [{"clip_sample": True}, {"thresholding": True}, {"prediction_type": "sample"}])
def test_what_has_no_gaussian_step_is_refused(option):
    with pytest.raises(BadRequest):
        schedule(10, **option)
