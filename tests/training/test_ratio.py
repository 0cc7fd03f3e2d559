"""The ratio across the store: what the trainer recomputes against what the sampler stored, with a trained adapter.

Blocking for the whole project: before the first update it is 1 for every (sample, step); and the check is worth having
only if each mistake that people make moves it.
"""

import dataclasses
from functools import lru_cache

import pytest
import torch

from components.core.config import SamplerConfig, TrainingConfig
from components.core.contracts import SamplingRequest
from components.core.errors import BadData
from components.core.plan import iteration_requests
from components.policy import ddim
from components.policy.adapter import trainable
from components.policy.load import load_policy
from components.training.evaluator import Evaluator
from components.training.experience import Experience, load_experience
from components.training.ratio import check_ratio, require_ratio_one
from tests.training.iteration import small_run

EVERY_SAMPLE = TrainingConfig(ratio_check_samples=10_000, micro_batch=16, clip_range=1e-4)
DTYPES = ["float32", "float16", "bfloat16"]


@pytest.fixture(scope="module")
def second_iteration(tmp_path_factory, pipeline_path):
    """Experience and policy of iteration 1, for each latents dtype: the adapter is trained and not zero."""

    @lru_cache
    def play(dtype: str):
        root = f"file://{tmp_path_factory.mktemp(dtype)}"
        small = small_run(root, pipeline_path, sampler=SamplerConfig(steps=5, batch=8, latents_dtype=dtype))
        small.play(0)
        request = small.draw(1)
        policy = load_policy(request.policy)
        moved = max(float(p.detach().abs().max()) for name, p in trainable(policy.unet).items() if "lora_B" in name)
        assert moved > 1e-3
        return request, policy, load_experience(request, policy.id)

    return play


def deviation(policy, experience: Experience, sampler: SamplerConfig) -> dict[str, float]:
    return check_ratio(Evaluator(policy, experience, sampler), EVERY_SAMPLE)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_ratio_is_one_before_the_first_update(second_iteration, dtype):
    """max |ratio - 1| <= 1e-5 over all samples and steps, and nothing is clipped at 1e-4."""
    request, policy, experience = second_iteration(dtype)
    metrics = deviation(policy, experience, request.sampler)
    assert metrics["ratio_max_deviation"] <= 1e-5
    assert metrics["ratio_clip_fraction"] == 0
    assert metrics["kl_to_base"] > 0
    require_ratio_one(metrics, EVERY_SAMPLE)


def guidance(request, policy, experience):
    return (
        policy,
        experience,
        request.sampler.model_copy(update={"guidance_scale": request.sampler.guidance_scale + 0.5}),
    )


def another_adapter(request, policy, experience):
    other = load_policy(request.policy)
    for parameter in trainable(other.unet).values():
        parameter.data *= 1.05
    return other, experience, request.sampler


def no_adapter(request, policy, experience):
    return dataclasses.replace(policy, unet=policy.base_unet), experience, request.sampler


def dropout(request, policy, experience):
    other = load_policy(request.policy)
    for module in other.unet.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.1
    other.unet.train()
    return other, experience, request.sampler


def swapped_prompts(request, policy, experience):
    texts = experience.texts[4:] + experience.texts[:4]
    return policy, dataclasses.replace(experience, texts=texts), request.sampler


def another_spacing(request, policy, experience):
    return policy, experience, request.sampler.model_copy(update={"timestep_spacing": "trailing"})


def another_noise_schedule(request, policy, experience):
    linear = type(policy.scheduler).from_config(policy.scheduler.config, beta_schedule="linear")
    return dataclasses.replace(policy, scheduler=linear), experience, request.sampler


def rounded_after_the_log_prob(request, policy, experience):
    rounded = experience.latents_MSCHW.half().float()
    return policy, dataclasses.replace(experience, latents_MSCHW=rounded), request.sampler


MISTAKES = [
    guidance, another_adapter, no_adapter, dropout, swapped_prompts, another_spacing, another_noise_schedule,
    rounded_after_the_log_prob,
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.__name__)
def test_each_planted_mistake_is_refused(second_iteration, mistake):
    metrics = deviation(*mistake(*second_iteration("float32")))
    with pytest.raises(BadData, match="importance ratio before any update is off"):
        require_ratio_one(metrics, EVERY_SAMPLE)


def test_rounding_after_the_log_prob_in_the_sampler_is_refused(monkeypatch, tmp_path, pipeline_path):
    """The same mistake planted in the sampler: rounding what was drawn only after its log-prob was taken."""
    honest = ddim.draw_step

    def careless(schedule, step, latents, prediction, noise, dtype=torch.float32):
        drawn, log_prob, mean = honest(schedule, step, latents, prediction, noise)
        return drawn.to(dtype).float(), log_prob, mean

    monkeypatch.setattr(ddim, "draw_step", careless)
    sampler = SamplerConfig(steps=5, batch=8, latents_dtype="bfloat16")
    small = small_run(f"file://{tmp_path}", pipeline_path, sampler=sampler)
    with pytest.raises(BadData, match="importance ratio before any update is off"):
        small.play(0)


def test_nan_is_not_one():
    with pytest.raises(BadData):
        require_ratio_one({"ratio_max_deviation": float("nan")}, EVERY_SAMPLE)


def test_samples_of_another_policy_are_refused_before_anything_is_computed(second_iteration):
    """The check by id comes before the check by ratio, and names both policies."""
    request, _, _ = second_iteration("float32")
    with pytest.raises(BadData, match="was drawn by policy"):
        load_experience(request, load_policy(request.policy.model_copy(update={"adapter": None})).id)


def test_both_sides_run_the_sampler_of_the_config(tmp_path, pipeline_path):
    small = small_run(f"file://{tmp_path}", pipeline_path)
    requests = iteration_requests(small.config, small.run, 1)
    sampling = [r for r in requests.values() if isinstance(r, SamplingRequest)]
    assert {r.sampler for r in sampling} == {requests["training"].sampler}
