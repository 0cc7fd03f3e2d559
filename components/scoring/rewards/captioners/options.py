"""What a captioner is chosen by. Light: no torch, no HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.core.config import Contract


class VisionLanguageOptions(Contract):
    """An image-text-to-text model of transformers, in this process."""

    kind: Literal["transformers"]
    model: str
    """Hub id `owner/name`, mirrored beforehand, or a directory in transformers' layout: llava-hf/llava-1.5-7b-hf."""
    revision: str | None = None
    """Commit of the hub id. Without one it is not pinned."""
    dtype: Literal["fp32", "fp16", "bf16"] = "fp16"
    """Of weights and arithmetic; 16 bits need a GPU. LLaVA 1.5 7B is published in fp16, and is 14 GB."""
    max_new_tokens: int = Field(default=64, ge=1, le=1024)
    """Longest answer, in tokens. What is cut off is scored as it stands."""
    batch: int = Field(default=8, ge=1, le=512)
    """Pictures a forward pass. Part of the identity: in 16 bits, another batch may word an answer in another way."""


class ChatServiceOptions(Contract):
    """A model behind OpenAI-style chat completions, as vLLM, SGLang and llama.cpp serve it.

    Where the service is, and its token, stand in the environment: they are no part of a run. The excluded ones decide
    how long an answer takes, and never how it reads: they are not part of the identity.
    """

    kind: Literal["http"]
    model: str
    """Name that the service is asked for; it must be among its /models."""
    service: str = Field(default="", pattern=r"^[A-Z0-9_]*$", exclude=True)
    """Empty: DDPO_CAPTIONER_URL and DDPO_CAPTIONER_TOKEN say where. `B`: the same two with `_B` at their ends."""
    max_new_tokens: int = Field(default=64, ge=1, le=1024)
    """Longest answer, in tokens. What is cut off is scored as it stands."""
    timeout: float = Field(default=60.0, gt=0, le=600, exclude=True)
    """Seconds without a sign of the service, after which an attempt is given up."""
    attempts: int = Field(default=4, ge=1, le=10, exclude=True)
    """Times that one question is sent; 1 never tries again."""
    backoff: float = Field(default=1.0, ge=0, le=60, exclude=True)
    """Seconds: upper end of the random wait before the second attempt. It doubles each time, up to 30."""
    parallel: int = Field(default=8, ge=1, le=64, exclude=True)
    """Questions under way at once."""


CaptionerOptions = str | Annotated[VisionLanguageOptions | ChatServiceOptions, Field(discriminator="kind")]
"""A captioner's name, or a table whose `kind` is `transformers` or `http`."""
