"""Put a policy's adapter, or its UNet, into its base, in fp32, and prove on pictures that nothing else changed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from safetensors.torch import load_file

from components.core import base_model
from components.core.config import SamplerConfig
from components.core.errors import BadData
from components.core.policy_files import UNET_FILE
from components.policy.load import pick_device, quiet_loading
from components.registration.lineage import Lineage

log = logging.getLogger(__name__)

PROMPTS = ("a cat", "a dog riding a bike", "three horses", "a red ship at night")
"""Drawn before and after, at eta 0, each from a seed of its own. Whether weights were added right shows on any text."""

MEAN_TOLERANCE, LARGEST_TOLERANCE = 0.1, 8
"""Levels of 255 by which they may differ, on average and in any one value: fp32 sums in another order."""


def merge(lineage: Lineage, weights: Path, out: Path) -> None:
    """Save the base with the policy's file merged in. Raises BadData if it draws other pictures."""
    sampler = lineage.state.config.sampler
    log.info("loading %s and the policy's weights", lineage.request.base.model)
    pipeline = _load(base_model.locate(lineage.request.base))
    pipeline.scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing=sampler.timestep_spacing, clip_sample=False
    )
    adapter = weights.name != UNET_FILE
    if adapter:
        with _without_remarks():
            pipeline.load_lora_weights(str(weights.parent))
    else:
        pipeline.unet.load_state_dict(load_file(weights))
    log.info("drawing %d pictures with the policy", len(PROMPTS))
    before = _draw(pipeline, sampler)
    if adapter:
        pipeline.fuse_lora()
        pipeline.unload_lora_weights()
    log.info("saving the merged pipeline, fp32")
    with quiet_loading():
        pipeline.save_pretrained(out, safe_serialization=True)
    del pipeline
    log.info("drawing them with what was saved")
    require_equal(before, _draw(_load(out), sampler))


def require_equal(before_NHWC: np.ndarray, after_NHWC: np.ndarray) -> None:
    """Raise BadData unless two sets of pictures (0 to 255) agree within the tolerances."""
    difference = np.abs(before_NHWC - after_NHWC)
    mean, largest = float(difference.mean()), int(difference.max())
    said = f"merged and unmerged pictures differ by {mean:.3f} of 255 on average and by {largest} at most"
    if mean > MEAN_TOLERANCE or largest > LARGEST_TOLERANCE:
        raise BadData(
            f"{said}: {MEAN_TOLERANCE:g} and {LARGEST_TOLERANCE} are allowed",
            hint="export the adapter, without --merged",
        )
    log.info("%s", said)


@contextmanager
def _without_remarks() -> Iterator[None]:
    """diffusers remarks that an adapter of a UNet has none for the text encoder."""
    level = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(level)


def _load(place: Path) -> Any:
    with quiet_loading():
        pipeline = DiffusionPipeline.from_pretrained(place, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(pick_device())


def _draw(pipeline: Any, sampler: SamplerConfig) -> np.ndarray:
    """Pictures [N, H, W, 3], 0 to 255."""
    pictures = [
        pipeline(
            prompt, num_inference_steps=sampler.steps, guidance_scale=sampler.guidance_scale, eta=0.0,
            generator=torch.Generator().manual_seed(seed),
        ).images[0]
        for seed, prompt in enumerate(PROMPTS)
    ]  # fmt: skip
    return np.stack([np.asarray(picture.convert("RGB"), dtype=int) for picture in pictures])
