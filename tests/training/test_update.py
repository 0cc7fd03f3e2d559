"""Batching over (sample, step) pairs changes speed, never the gradient."""

import pytest
import torch

from components.core.config import TrainingConfig
from components.core.errors import BadRequest
from components.policy import ddim
from components.policy.adapter import trainable
from components.policy.load import load_policy
from components.training import loss
from components.training.evaluator import Evaluator, clip_range
from components.training.experience import load_experience
from components.training.objective import make_objective
from components.training.pairs import Pairs
from components.training.update import accumulate
from tests.training.iteration import small_run

ADVANTAGE = torch.linspace(-2, 2, 16)


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory, pipeline_path):
    """Iteration 1 of a small run: a trained adapter, so that every parameter has a gradient."""
    small = small_run(f"file://{tmp_path_factory.mktemp('update')}", pipeline_path)
    small.play(0)
    request = small.draw(1)
    policy = load_policy(request.policy)
    return Evaluator(policy, load_experience(request, policy.id), request.sampler)


def accumulated(evaluator, pairs: Pairs, config: TrainingConfig, credit: torch.Tensor = ADVANTAGE) -> dict[str, float]:
    parameters = list(trainable(evaluator.policy.unet).values())
    return accumulate(make_objective(evaluator, credit, config, seed=0), parameters, pairs, config.micro_batch)


def gradient(evaluator, config: TrainingConfig, samples: torch.Tensor) -> torch.Tensor:
    parameters = trainable(evaluator.policy.unet)
    for parameter in parameters.values():
        parameter.grad = None
    accumulated(evaluator, Pairs.of(samples, evaluator.schedule.steps), config)
    return torch.cat([p.grad.flatten() for p in parameters.values()])


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


def one_pair_at_a_time(evaluator, config: TrainingConfig, samples: torch.Tensor) -> torch.Tensor:
    """The loop that DDPO's authors write: sample by sample, step by step, through diffusers' guidance in two passes."""
    parameters = trainable(evaluator.policy.unet)
    for parameter in parameters.values():
        parameter.grad = None
    experience, unet, schedule = evaluator.experience, evaluator.policy.unet, evaluator.schedule
    pairs = len(samples) * schedule.steps
    for sample in samples.tolist():
        prompt, empty = (evaluator.policy.embed([text]) for text in (experience.texts[sample], ""))
        for step in range(schedule.steps):
            state, action = experience.latents_MSCHW[sample, [step]], experience.latents_MSCHW[sample, [step + 1]]
            t = schedule.timesteps_T[[step]]
            without, with_prompt = unet(state, t, empty).sample, unet(state, t, prompt).sample
            guided = without + evaluator.guidance * (with_prompt - without)
            mean = ddim.step_mean(schedule, torch.tensor([step]), state, guided)
            new = ddim.log_prob(action, mean, schedule.sigma_T[[step]])
            old = experience.log_probs_MT[sample, [step]]
            one = loss.importance_sampling_loss(new, old, ADVANTAGE[[sample]], config.clip_range)
            (one / pairs).backward()
    return torch.cat([p.grad.flatten() for p in parameters.values()])


@pytest.mark.parametrize("algorithm", ["ddpo_is", "ddpo_sf", "rwr"])
def test_four_micro_batches_have_the_gradient_of_one(evaluator, algorithm):
    samples = torch.arange(16)
    small, large = (
        TrainingConfig(algorithm=algorithm, updates=1, micro_batch=size, clip_range=0.1) for size in (20, 80)
    )
    assert relative(gradient(evaluator, small, samples), gradient(evaluator, large, samples)) <= 1e-4


def test_uneven_micro_batches_weigh_by_their_size(evaluator):
    samples = torch.arange(16)
    uneven, large = (TrainingConfig(micro_batch=size, clip_range=0.1) for size in (33, 80))
    assert relative(gradient(evaluator, uneven, samples), gradient(evaluator, large, samples)) <= 1e-4


def test_pairs_in_one_batch_have_the_gradient_of_the_loop(evaluator):
    config, samples = TrainingConfig(micro_batch=64, clip_range=0.1), torch.tensor([0, 5, 11])
    loop = one_pair_at_a_time(evaluator, config, samples)
    assert relative(gradient(evaluator, config, samples), loop) <= 1e-4


def test_without_advantage_there_is_no_gradient(evaluator):
    config = TrainingConfig(micro_batch=64)
    assert float(gradient(evaluator, config, torch.tensor([0])).norm()) > 0
    parameters = trainable(evaluator.policy.unet)
    for parameter in parameters.values():
        parameter.grad = None
    accumulated(evaluator, Pairs.of(torch.arange(4), evaluator.schedule.steps), config, torch.zeros(16))
    assert all(float(p.grad.abs().max()) == 0 for p in parameters.values())


def test_float16_loses_no_gradient_at_stable_diffusions_size(tmp_path, pipeline_path):
    """16 384 latent numbers and 6400 pairs divide a gradient by 1e8: here the advantage is as much smaller.

    Unscaled, float16 rounds most of it to 0 (relative error above 1); with the scale the rest is its own 0.1 %.
    """
    small = small_run(tmp_path.as_uri(), pipeline_path)
    base = small.config.base.model_copy(update={"dtype": "float16"})
    small.config = small.config.model_copy(update={"base": base})
    small.play(0)
    request = small.draw(1)
    policy = load_policy(request.policy)
    half = Evaluator(policy, load_experience(request, policy.id), request.sampler)
    latent = half.experience.latents_MSCHW[0, 0].numel()
    pairs = Pairs.of(torch.arange(16), half.schedule.steps)
    smaller = (latent * len(pairs)) / (16_384 * 6400)
    config = TrainingConfig(algorithm="ddpo_sf", updates=1, micro_batch=20)

    def found(credit: torch.Tensor) -> torch.Tensor:
        parameters = trainable(policy.unet)
        for parameter in parameters.values():
            parameter.grad = None
        accumulated(half, pairs, config, credit)
        return torch.cat([p.grad.flatten() for p in parameters.values()])

    whole = found(ADVANTAGE)
    assert relative(found(ADVANTAGE * smaller) / smaller, whole) <= 0.02
    half.gradient_scale = lambda pairs: 1.0
    assert relative(found(ADVANTAGE * smaller) / smaller, whole) > 0.5
    assert relative(found(ADVANTAGE), whole) <= 0.02


def test_recomputed_activations_give_the_same_gradient_from_less_memory(evaluator):
    """Gradient checkpointing: what a backward pass keeps falls below half, and the gradient stays."""
    config, samples = TrainingConfig(micro_batch=64, clip_range=0.1), torch.arange(8)

    def kept() -> tuple[torch.Tensor, int]:
        sizes = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            evaluator.mean(evaluator.policy.unet, Pairs.of(samples, evaluator.schedule.steps))
        return gradient(evaluator, config, samples), sum(sizes.values())

    plain, much = kept()
    evaluator.policy.unet.enable_gradient_checkpointing()
    again, little = kept()
    evaluator.policy.unet.disable_gradient_checkpointing()
    assert relative(again, plain) <= 1e-6
    assert little < much / 2


def test_a_clip_range_is_scaled_to_the_latent():
    """1e-4 on 16 384 numbers is the trust region of 2.133e-3 on 768, and of itself on 16 384."""
    scaled = TrainingConfig(clip_range=1e-4, scale_clip=True)
    assert clip_range(scaled, 768) == pytest.approx(16_384e-4 / 768)
    assert clip_range(scaled, 16_384) == 1e-4
    assert clip_range(TrainingConfig(clip_range=1e-4), 768) == 1e-4
    with pytest.raises(BadRequest, match=r"training.clip_range scaled to 768 latent numbers is 2.13"):
        clip_range(TrainingConfig(clip_range=0.1, scale_clip=True), 768)


def test_what_is_scaled_is_what_clips(evaluator):
    """With the ratio off by a little, the share outside the clip is that of the range times 16 384 / latent."""
    numbers = evaluator.experience.latents_MSCHW[0, 0].numel()
    pairs = Pairs.of(torch.arange(16), evaluator.schedule.steps)
    evaluator.experience.log_probs_MT.add_(1e-3)
    try:
        by_hand, scaled = (
            accumulated(evaluator, pairs, TrainingConfig(micro_batch=80, clip_range=clip, scale_clip=scale))
            for clip, scale in ((0.002, False), (0.002 * numbers / 16_384, True))
        )
        tight = accumulated(evaluator, pairs, TrainingConfig(micro_batch=80, clip_range=0.0005))
    finally:
        evaluator.experience.log_probs_MT.sub_(1e-3)
    assert (by_hand["clip_fraction"], scaled["clip_fraction"], tight["clip_fraction"]) == (0, 0, 1)
    assert by_hand["loss"] == scaled["loss"]
