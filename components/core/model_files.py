"""Which files of a model's directory or repository are its model: weights and configs, once each, and no pickles."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from components.core.errors import MissingInput

PIPELINE = "model_index.json"
"""What a directory in diffusers' layout holds."""
SAFE = (".safetensors", ".json", ".txt", ".model", ".jinja", ".md")
"""Weights, configs, tokenizers, chat templates, the model card: none of them runs code when it is loaded."""
PAPERS = ("LICENSE", "LICENCE", "NOTICE", "USE_POLICY", "COPYING")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Loading one of these can run any code: they are taken by name only."""
OTHER_RUNTIMES = {"onnx", "openvino", "coreml", "flax", "original"}
"""Directories that hold the same model for another library."""


def chosen(paths: Iterable[str], include: Sequence[str] = (), only: Sequence[str] = ()) -> list[str]:
    """The files to take, sorted; `include` holds further names or patterns, such as `pytorch_model.bin`.

    `only` holds the names or patterns of all that is wanted: a tokenizer, say, without the weights beside it.

    Of a pipeline its parts, and not the checkpoints of one file that lie beside them; of two precisions the full one.
    Raises MissingInput where that leaves no weights.

    >>> chosen(["config.json", "model.safetensors", "model.fp16.safetensors", "pytorch_model.bin", "onnx/config.json"])
    ['config.json', 'model.safetensors']
    >>> chosen(["model_index.json", "v1-5.safetensors", "unet/diffusion_pytorch_model.safetensors"])
    ['model_index.json', 'unet/diffusion_pytorch_model.safetensors']
    """
    every = sorted(path for path in paths if not any(part.startswith(".") for part in PurePosixPath(path).parts))
    asked = {path for pattern in (*include, *only) for path in _matching(pattern, every)}
    if only:
        return sorted(asked)
    safe = {path for path in every if _is_safe(path) and not _is_variant(path, every)}
    if PIPELINE in every:
        safe = {path for path in safe if "/" in path or not path.endswith(".safetensors")}
    taken = safe | asked
    if not any(path.endswith((".safetensors", *PICKLES)) for path in taken):
        pickles = [path for path in every if path.endswith(PICKLES)]
        raise MissingInput(
            "there are no safetensors in it" if every else "it holds no files",
            hint=f"a pickle can run code when it is loaded; where you trust it: --include {pickles[0]}"
            if pickles
            else "",
        )
    return sorted(taken)


def _matching(pattern: str, every: list[str]) -> list[str]:
    found = [path for path in every if fnmatch.fnmatchcase(path, pattern)]
    if not found:
        raise MissingInput(f"no file matches {pattern}", hint=f"there is {', '.join(every[:12])}")
    return found


def _is_safe(path: str) -> bool:
    place = PurePosixPath(path)
    if OTHER_RUNTIMES & set(place.parts[:-1]):
        return False
    return place.suffix in SAFE or place.name.upper().startswith(PAPERS)


def _is_variant(path: str, every: list[str]) -> bool:
    """Whether the same weights lie beside it, whole: `model.fp16.safetensors` beside `model.safetensors`."""
    place = PurePosixPath(path)
    plain, dot, _ = place.name.removesuffix(".safetensors").partition(".")
    if not path.endswith(".safetensors") or not dot:
        return False
    beside = [PurePosixPath(other).name for other in every if PurePosixPath(other).parent == place.parent]
    whole = plain.partition("-0000")[0]
    return any(other in (f"{plain}.safetensors", f"{whole}.safetensors.index.json") for other in beside)
