"""The weights that are shipped: what they are, and that they are good enough to learn from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline, StableDiffusionPipeline

from components.policy.tiny.animals import ANIMALS, Subject, gallery
from components.policy.tiny.captioner import NO_ACTIVITY, Captioner
from components.policy.tiny.captions import caption
from components.policy.tiny.judge import Judge
from components.policy.tiny.pixels import from_array, to_pictures
from components.policy.tiny.train_vae import psnr, reconstructed

TINY = Path(__file__).parents[3] / "components/policy/tiny"
FRESH_SEED = 2000  # no part was trained or measured on drawings from this seed


@pytest.fixture(scope="module")
def pipeline():
    pipeline = DiffusionPipeline.from_pretrained(TINY / "weights")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def judge():
    return Judge.load(TINY / "scorers/judge")


@pytest.fixture(scope="module")
def captioner():
    return Captioner.load(TINY / "scorers/captioner")


@pytest.fixture(scope="module")
def drawings():
    return gallery(300, FRESH_SEED)


def test_stock_diffusers_loads_an_ordinary_stable_diffusion_pipeline(pipeline):
    assert type(pipeline) is StableDiffusionPipeline
    assert pipeline.safety_checker is None
    assert pipeline.unet.dtype == torch.float32


def test_the_noise_schedule_is_that_of_stable_diffusion(pipeline):
    config = pipeline.scheduler.config
    assert type(pipeline.scheduler) is DDIMScheduler
    assert (config.beta_start, config.beta_end, config.beta_schedule) == (0.00085, 0.012, "scaled_linear")
    assert (config.steps_offset, config.set_alpha_to_one, config.clip_sample) == (1, False, False)


def test_weights_and_scorers_together_are_under_12_megabytes():
    files = [path for part in ("weights", "scorers") for path in (TINY / part).rglob("*") if path.is_file()]
    assert 4e6 < sum(path.stat().st_size for path in files) < 12e6


def test_no_file_names_a_machine_or_a_path():
    places = ("/tmp/", "/work/", "/home/", "/root/", "_name_or_path")
    for path in (file for part in ("weights", "scorers") for file in (TINY / part).rglob("*.json")):
        assert not any(place in path.read_text() for place in places), path


def test_the_judge_names_the_animal_on_reconstructions(pipeline, judge, drawings):
    """What the autoencoder leaves of a drawing is still that animal, for at least nine in ten."""
    pictures, subjects = drawings
    again = reconstructed(pipeline.vae, pictures)
    assert psnr(again, from_array(pictures)) > 24
    named = judge.names_animal(to_pictures(again))
    assert np.mean([name == subject.animal for name, subject in zip(named, subjects, strict=True)]) >= 0.9


def test_the_captioner_sees_animal_and_activity(captioner, drawings):
    pictures, subjects = drawings
    animal, activity = (p.argmax(-1) for p in captioner.probabilities(to_pictures(from_array(pictures))))
    assert np.mean([captioner.animals[a] == s.animal for a, s in zip(animal, subjects, strict=True)]) >= 0.95
    doing = [s.activity or NO_ACTIVITY for s in subjects]
    assert np.mean([captioner.activities[a] == d for a, d in zip(activity, doing, strict=True)]) >= 0.95


def test_the_captioner_says_the_caption(captioner, drawings):
    pictures, subjects = drawings
    said = captioner.caption(to_pictures(from_array(pictures)))
    assert np.mean([words == caption(subject) for words, subject in zip(said, subjects, strict=True)]) >= 0.9


def test_probabilities_are_probabilities(captioner, judge, drawings):
    pictures = to_pictures(from_array(drawings[0][:8]))
    animal, activity = captioner.probabilities(pictures)
    assert (animal.shape, activity.shape) == ((8, 60), (8, 7))
    for p in (animal, activity, judge.animal_probabilities(pictures)):
        np.testing.assert_allclose(p.sum(-1), 1, atol=1e-5)
    assert judge.similarity(pictures, ["a cat", "a dog", "an ant"]).shape == (8, 3)


def test_the_judge_gives_the_probability_of_the_animal_asked_for(judge, drawings):
    pictures, subjects = drawings
    shown = to_pictures(from_array(pictures[:40]))
    right = judge.probability(shown, [s.animal for s in subjects[:40]])
    wrong = judge.probability(shown, [ANIMALS[(ANIMALS.index(s.animal) + 7) % 60] for s in subjects[:40]])
    assert right.mean() > 0.8 > 0.1 > wrong.mean()


def test_samples_show_the_animal_that_was_asked_for(pipeline, judge):
    """Sixty pictures at the sampler of the laptop preset: the shipped number, less three standard errors."""
    measured = json.loads((TINY / "measured.json").read_text())["animals"]["cells"]["T=5 trailing eta=1"]
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    generators = [torch.Generator().manual_seed(3000 + index) for index in range(60)]
    pictures = pipeline(
        [caption(Subject(animal)) for animal in ANIMALS], num_inference_steps=5, guidance_scale=3.0, eta=1.0,
        generator=generators,
    ).images  # fmt: skip
    right = np.mean([named == animal for named, animal in zip(judge.names_animal(pictures), ANIMALS, strict=True)])
    share = measured["judge_animal"]
    assert right >= share - 3 * max(0.02, (share * (1 - share) / 60) ** 0.5)


def test_a_prompt_makes_a_picture_of_its_own(pipeline):
    """The same noise under sixty prompts gives sixty different pictures."""
    generators = [torch.Generator().manual_seed(1) for _ in ANIMALS]
    pictures = pipeline([caption(Subject(a)) for a in ANIMALS], num_inference_steps=4, generator=generators).images
    assert len({picture.tobytes() for picture in pictures}) == 60
