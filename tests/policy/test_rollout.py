"""Our sampler against stock diffusers, and against itself in other batches."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from components.core.config import BaseModelConfig, SamplerConfig
from components.core.contracts import PolicyRef
from components.policy.load import load_policy
from components.policy.rollout import rollout

TEXTS, SEEDS = ["a cat", "a dog", "an ant"], [11, 12, 13]


@pytest.fixture(scope="module")
def policy(pipeline_path):
    return load_policy(PolicyRef(base=BaseModelConfig(model=str(pipeline_path))))


def pixels(pictures) -> np.ndarray:
    return np.stack([np.asarray(picture, dtype=int) for picture in pictures])


@pytest.mark.parametrize(("eta", "spacing"), [(0.0, "leading"), (1.0, "leading"), (1.0, "trailing")])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_pictures_are_those_of_the_stock_pipeline(policy, pipeline_path, eta, spacing, guidance):
    """Same generators, same order of draws: stock diffusers draws the same picture, within one of 255."""
    sampler = SamplerConfig(steps=5, eta=eta, timestep_spacing=spacing, guidance_scale=guidance)
    ours = rollout(policy, TEXTS, SEEDS, sampler).pictures
    stock = StableDiffusionPipeline.from_pretrained(pipeline_path)
    stock.scheduler = type(stock.scheduler).from_config(stock.scheduler.config, timestep_spacing=spacing)
    stock.set_progress_bar_config(disable=True)
    theirs = stock(
        TEXTS, num_inference_steps=5, eta=eta, guidance_scale=guidance,
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS],
    ).images  # fmt: skip
    assert np.abs(pixels(ours) - pixels(theirs)).max() <= 1


def test_a_picture_does_not_depend_on_its_batch(policy):
    sampler = SamplerConfig(steps=5)
    together = rollout(policy, TEXTS, SEEDS, sampler)
    alone = rollout(policy, TEXTS[1:2], SEEDS[1:2], sampler)
    assert np.abs(pixels(together.pictures)[1] - pixels(alone.pictures)[0]).max() <= 1


def test_another_text_and_another_seed_are_other_trajectories(policy):
    sampler = SamplerConfig(steps=5, guidance_scale=5)
    latents = rollout(policy, ["a cat", "a dog", "a cat"], [1, 1, 2], sampler).latents_BNCHW
    assert torch.equal(latents[0, 0], latents[1, 0])  # same seed, same initial noise
    assert not torch.equal(latents[0, -1], latents[1, -1])
    assert not torch.equal(latents[0, 0], latents[2, 0])


def test_the_base_has_no_distance_to_itself(policy):
    assert rollout(policy, TEXTS, SEEDS, SamplerConfig(steps=5), kl_to_base=True).kl_to_base_B.tolist() == [0, 0, 0]
