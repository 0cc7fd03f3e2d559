"""`ddpo plan`: what a run will cost, before anything starts.

Counts are exact: they follow from the config, and the evaluation set is laid out for it, in a scratch store. Bytes
follow from the base's own configuration. Time is what earlier runs of this store took; without one it is not guessed.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.core import base_model, campaign, promotion, store, weights
from components.core.config import RunConfig
from components.core.contracts import PromptsResult, SamplingResult, StepName
from components.core.deployment import Deployment
from components.core.layout import BASE, RunLayout, policy_name
from components.core.plan import evaluation_due, evaluation_prompts_request
from components.core.runner import run_request
from dags.pipeline.progress import iteration_seconds

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
PNG_BYTES_PER_PIXEL = 2.5
"""Lossless, of a textured picture; a flat one takes a tenth."""


@dataclass(frozen=True)
class Geometry:
    """Sizes of a base model."""

    channels: int
    latent: int
    """Height and width of the latent."""
    picture: int
    known: bool
    """False where the base is neither on this machine nor mirrored, and Stable Diffusion's sizes are assumed."""


@dataclass(frozen=True)
class Estimate:
    """What a run will cost."""

    samples: int
    """Pictures drawn for training; each is one reward query."""
    evaluations: int
    evaluation_pictures: int
    geometry: Geometry
    bytes_in_store: int
    """Trajectories and pictures; adapters come on top."""
    seconds: float | None
    """From earlier runs with the same base and sampler; None without one."""
    measured_on: str = ""


def estimate(config: RunConfig, places: Deployment) -> Estimate:
    """Count and measure. Raises MissingInput if the base is not there, BadRequest if the prompts are wrong."""
    geometry = _geometry(config)
    evaluations = sum(evaluation_due(config, k, config.iterations) for k in range(config.iterations + 1))
    evaluations += config.start_adapter is not None  # the bare base, beside the start
    champion = promotion.champion(places.store, config.registration.model)
    evaluations += champion is not None and champion.training not in (None, config.start_adapter)
    pictures = evaluations * _evaluation_rows(config)
    samples = config.iterations * config.samples_per_iteration
    picture_bytes = int(geometry.picture**2 * PNG_BYTES_PER_PIXEL)
    seconds, measured_on = _seconds(config, places, pictures)
    return Estimate(
        samples=samples,
        evaluations=evaluations,
        evaluation_pictures=pictures,
        geometry=geometry,
        bytes_in_store=samples * (_trajectory_bytes(config, geometry) + picture_bytes) + pictures * picture_bytes,
        seconds=seconds,
        measured_on=measured_on,
    )


def as_text(cost: Estimate, config: RunConfig) -> str:
    """For people."""
    g, p, s = cost.geometry, config.prompts, config.sampler
    trained = "adapters" if config.training.trainable == "adapter" else "UNets"
    time = (
        f"about {duration(cost.seconds)}, as {cost.measured_on} took"
        if cost.seconds
        else "no earlier run to measure by"
    )
    lines = {
        "base": f"{config.base.model}, {g.picture} px"
        + ("" if g.known else " (neither here nor mirrored: Stable Diffusion's sizes are assumed)"),
        "reward": config.reward.name,
        "iterations": f"{config.iterations} of {p.prompts} prompts × {p.samples_per_prompt} pictures",
        "reward queries": f"{cost.samples}",
        "evaluations": f"{cost.evaluations} of the set {config.evaluation.set}, {cost.evaluation_pictures} pictures"
        + (", some by the sampler that ships" if config.evaluation.deployed_seeds else ""),
        "denoising steps": f"{(cost.samples + cost.evaluation_pictures) * s.steps} ({s.steps} a picture)",
        "in the store": f"about {size(cost.bytes_in_store)}, and {config.iterations} {trained} with optimiser state",
        "time": time,
    }
    return "\n".join(f"{name:<16}{value}" for name, value in lines.items())


def size(count: float) -> str:
    """
    >>> size(1_230_000), size(12)
    ('1.2 MB', '12 B')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """
    >>> duration(42), duration(200), duration(9000)
    ('42 s', '3.3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _geometry(config: RunConfig) -> Geometry:
    place, revision = base_model.named(config.base), config.base.revision
    files = [weights.peek(place, revision, f"{part}/config.json") for part in ("unet", "vae")]
    try:
        unet, vae = (json.loads(file or b"") for file in files)
        scale = 2 ** (len(vae["block_out_channels"]) - 1)
        return Geometry(unet["in_channels"], unet["sample_size"], unet["sample_size"] * scale, known=True)
    except (KeyError, ValueError):
        return Geometry(channels=4, latent=64, picture=512, known=False)


def _trajectory_bytes(config: RunConfig, g: Geometry) -> int:
    """One sample: T+1 latents, and an fp32 log-prob for each of T steps."""
    latent = g.channels * g.latent**2 * BYTES[config.sampler.latents_dtype]
    return (config.sampler.steps + 1) * latent + config.sampler.steps * 4


def _evaluation_rows(config: RunConfig) -> int:
    """Pictures of one evaluation: by the training's sampler, and by the one that ships."""
    with tempfile.TemporaryDirectory() as scratch:
        run = RunLayout.of(Path(scratch).as_uri(), "plan")
        manifest = run_request(StepName.PROMPTS, evaluation_prompts_request(config, run))
        rows = PromptsResult.model_validate(manifest.result).rows
    seeds = config.evaluation.seeds
    return rows + rows // seeds * min(config.evaluation.deployed_seeds, seeds)


def _seconds(config: RunConfig, places: Deployment, evaluation_pictures: int) -> tuple[float | None, str]:
    """Time by the newest earlier run that drew with the same base and sampler, scaled by pictures."""
    for state in reversed(campaign.load_all(places.store)[0]):
        if (state.config.base, state.config.sampler) != (config.base, config.sampler) or not state.trained:
            continue
        newest = [iteration_seconds(state.run, k) for k in range(state.next_iteration)][-3:]
        known = sorted(seconds for seconds in newest if seconds is not None)
        if not known:
            continue
        per_sample = known[len(known) // 2] / state.config.samples_per_iteration
        samples = config.iterations * config.samples_per_iteration
        evaluations = evaluation_pictures * _per_evaluation_picture(state.run)
        return samples * per_sample + evaluations, f"run {state.run.run_id}"
    return None, ""


def _per_evaluation_picture(run: RunLayout) -> float:
    """Seconds to draw and score one picture of the baseline evaluation."""
    seconds, pictures = 0.0, 0
    for name in (policy_name(0), BASE):
        for shard in range(64):
            drawn, scored = (
                store.find(run.evaluation_sampling(name, shard)),
                store.find(run.evaluation_scoring(name, shard)),
            )
            if drawn is None or scored is None:
                break
            seconds += drawn.manifest.cost.seconds + scored.manifest.cost.seconds
            pictures += SamplingResult.model_validate(drawn.manifest.result).samples
    return seconds / pictures if pictures else 0.0
