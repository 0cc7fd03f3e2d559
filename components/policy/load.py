"""Load policy k: the base model, and the adapter or the whole UNet that a training step committed."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import torch
from diffusers import DDIMScheduler, DiffusionPipeline, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from torch import Tensor, nn
from transformers.utils import logging as transformers_logging

from components.core import base_model, store
from components.core.config import BaseModelConfig
from components.core.contracts import PolicyRef
from components.core.errors import BadData
from components.core.policy_files import UNET_FILE, policy_file
from components.policy import adapter, full_weights

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass
class Policy:
    """A text-to-image policy, ready to run. The UNet may carry an adapter; everything else is the frozen base."""

    id: str
    unet: UNet2DConditionModel
    base_unet: UNet2DConditionModel
    """The bare base's UNet: what KL is measured against. Never changed."""
    bare: bool
    """Nothing trained: this is the base itself."""
    vae: nn.Module
    text_encoder: nn.Module
    tokenizer: object
    scheduler: DDIMScheduler
    device: torch.device

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """C, H, W of a latent."""
        size = self.unet.config.sample_size
        return (self.unet.config.in_channels, size, size)

    def embed(self, texts: list[str]) -> Tensor:
        """Prompt embeddings [B, L, D] in the base's dtype; each distinct text is encoded once."""
        distinct = sorted(set(texts))
        tokens = self.tokenizer(  # type: ignore[operator]
            distinct,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,  # type: ignore[attr-defined]
            truncation=True,
            return_tensors="pt",
        )
        with torch.no_grad():
            embedded = torch.cat([self.text_encoder(row[None].to(self.device))[0] for row in tokens.input_ids])
        place = {text: i for i, text in enumerate(distinct)}
        return embedded[[place[text] for text in texts]]

    def predict(
        self, latents_BCHW: Tensor, timestep_B: Tensor, prompts_BLD: Tensor, empty_1LD: Tensor, guidance: float
    ) -> Tensor:
        """Guided prediction [B, C, H, W], fp32: both branches in one forward pass."""
        return predict(self.unet, latents_BCHW, timestep_B, prompts_BLD, empty_1LD, guidance)


def predict(
    unet: UNet2DConditionModel,
    latents_BCHW: Tensor,
    timestep_B: Tensor,
    prompts_BLD: Tensor,
    empty_1LD: Tensor,
    guidance: float,
) -> Tensor:
    """Classifier-free guidance (arXiv 2207.12598): empty + scale · (prompt - empty), gradient through both."""
    latents = latents_BCHW.to(prompts_BLD.dtype)  # the base's: the adapter is fp32 on any base
    if guidance == 1:
        return unet(latents, timestep_B, prompts_BLD).sample.float()
    context = torch.cat([empty_1LD.expand(len(latents), -1, -1), prompts_BLD])
    both = unet(latents.repeat(2, 1, 1, 1), timestep_B.repeat(2), context).sample.float()
    empty, prompt = both.chunk(2)
    return empty + guidance * (prompt - empty)


def load_policy(ref: PolicyRef, *, folded: bool = False) -> Policy:
    """Load a policy for inference; its adapter is frozen until `adapter.trainable` parameters are optimised.

    `folded` adds the adapter into the weights, in fp32 only: faster to sample from, the same to 1e-6.
    Raises MissingInput if the base or the adapter is not there, BadData if it is broken or does not fit.
    """
    base = _load_base(str(base_model.locate(ref.base)), ref.base.dtype, pick_device())
    unet = copy.deepcopy(base.unet)
    tensors = b""
    if ref.adapter is not None:
        committed = store.open_committed(ref.adapter)
        name = policy_file(committed)
        tensors = _put_into(unet, committed.read(name), name, source=f"{ref.adapter}/{name}")
        _require_same_policy(committed, policy_id(ref.base, tensors))
        if folded and name != UNET_FILE and ref.base.dtype == "float32":
            adapter.fold(unet)
    return Policy(
        id=policy_id(ref.base, tensors),
        unet=unet.eval(),
        base_unet=base.unet,
        bare=ref.adapter is None,
        vae=base.vae,
        text_encoder=base.text_encoder,
        tokenizer=base.tokenizer,
        scheduler=base.scheduler,
        device=base.unet.device,
    )


def _put_into(unet: UNet2DConditionModel, data: bytes, name: str, *, source: str) -> bytes:
    """Make the base's UNet the policy's; returns the state that the policy's id is made of."""
    if name == UNET_FILE:
        masters = full_weights.read_masters(unet, data, source=source)
        full_weights.put(unet, masters)
        return adapter.state_bytes(masters)
    adapter.load_adapter(unet, data, source=source)
    return adapter.state_bytes(adapter.trainable(unet))


def _require_same_policy(committed: store.Committed, found: str) -> None:
    """A base whose files changed since makes another policy of the same adapter."""
    recorded = committed.manifest.result.get("policy_id")
    if recorded != found:
        raise BadData(
            f"{committed.prefix} was trained as policy {str(recorded)[:12]}, but with this base it is {found[:12]}",
            hint="have the base model's files changed since?",
        )


def policy_id(base: BaseModelConfig, state: bytes) -> str:
    """Id of a policy: a hash over the base's identity and the trained tensors' sorted names and bytes."""
    return hashlib.sha256(base_model.identify(base).encode() + b"\0" + state).hexdigest()


def pick_device() -> torch.device:
    """The first GPU that torch sees, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def quiet_loading() -> Iterator[None]:
    """No progress bars for loading parts: the step has its own."""
    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in (diffusers_logging, transformers_logging):
            library.enable_progress_bar()


@lru_cache(maxsize=1)  # a warm process meets the same base again and again
def _load_base(place: str, dtype: str, device: torch.device) -> DiffusionPipeline:
    try:
        with quiet_loading():
            pipeline = DiffusionPipeline.from_pretrained(
                place, dtype=DTYPES[dtype], safety_checker=None, requires_safety_checker=False
            )
    except Exception as error:
        raise BadData(f"the base model at {place} does not load: {str(error).splitlines()[0]}") from error
    pipeline.to(device)
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        part.requires_grad_(False).eval()
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    return pipeline
