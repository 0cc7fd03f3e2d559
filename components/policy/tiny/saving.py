"""Half-precision weights on disk, each directory whole or absent."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from torch import nn


@contextmanager
def replacing(directory: Path) -> Iterator[Path]:
    """A fresh directory to write into; it takes the place of `directory` when the block ends well."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}-"))
    try:
        yield fresh
        _publish(fresh)
        if directory.exists():
            old = fresh.with_name(fresh.name + "-old")
            directory.rename(old)
            fresh.rename(directory)
            shutil.rmtree(old)
        else:
            fresh.rename(directory)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _publish(directory: Path) -> None:
    """Readable by everyone (temporary files are private), without the path that a part was loaded from.

    `dtype` is what transformers loads weights as when nobody says: single precision, however they are stored.
    """
    directory.chmod(0o755)
    for path in directory.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
        if path.name.endswith("config.json"):
            config = json.loads(path.read_text(), object_hook=_without_origin)
            path.write_text(json.dumps(config, indent=2) + "\n")


def _without_origin(config: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in config.items() if key != "_name_or_path"}
    return kept | {"dtype": "float32"} if "dtype" in kept else kept


def rounded(module: nn.Module) -> nn.Module:
    """The module in half precision, as it is stored; whoever loads it computes in single precision again."""
    return module.to("cpu", torch.float16).eval()


def rounded_copy(pipeline: StableDiffusionPipeline) -> StableDiffusionPipeline:
    """The same for a whole pipeline whose parts are still in training: the copy is rounded, the original stays."""
    parts = dict(pipeline.components)
    for name in ("vae", "unet", "text_encoder"):
        parts[name] = rounded(copy.deepcopy(parts[name]))
    return StableDiffusionPipeline(**parts, requires_safety_checker=False)
