"""The file in which a training step commits policy k+1: its adapter, or every weight of its UNet."""

from __future__ import annotations

from components.core.errors import BadData
from components.core.store import Committed

ADAPTER_FILE = "pytorch_lora_weights.safetensors"
"""LoRA on the UNet, in the file that stock diffusers loads."""
UNET_FILE = "unet.safetensors"
"""All weights of the UNet in fp32, by their names in diffusers."""


def policy_file(committed: Committed) -> str:
    """Which of the two a commit holds. Raises BadData where it is no policy."""
    for name in (ADAPTER_FILE, UNET_FILE):
        if any(file.path == name for file in committed.manifest.files):
            return name
    raise BadData(f"{committed.prefix} holds no policy: neither {ADAPTER_FILE} nor {UNET_FILE}")
