"""Published weights into transformers' classes: whole, or refused. What a file lacks is never filled at random."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import JsonValue
from safetensors import SafetensorError
from safetensors.torch import load_file

from components.core.errors import BadData, BadRequest, MissingInput

Precision = Literal["fp32", "fp16", "bf16"]
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
Tensors = Mapping[str, torch.Tensor]


def device_for(precision: Precision) -> torch.device:
    """A GPU where there is one. Raises BadRequest for half precision without one: its scores would be others."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if precision != "fp32":
        raise BadRequest(f'dtype = "{precision}" needs a GPU, and there is none here', hint='set dtype = "fp32"')
    return torch.device("cpu")


def read_config(config_class: Any, directory: Path) -> Any:
    """A model's config.json. Raises BadData for one that transformers does not know, or that is spoilt."""
    try:
        return config_class.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise BadData(f"{directory}: config.json cannot be read: {_first_line(error)}") from None


def load_model(model_class: Any, directory: Path, precision: Precision = "fp32", **build: Any) -> Any:
    """A model from a directory in transformers' layout, ready to score; `build` tells its class how.

    Raises MissingInput where there are no weights, BadData where a tensor is missing or of another shape.
    """
    return _load(model_class, directory, directory, precision, **build)


def fill_model(
    model_class: Any, config: Any, tensors: Tensors, place: Path, precision: Precision = "fp32", **build: Any
) -> Any:
    """A model from tensors under transformers' names, `build` telling its class how.

    Raises BadData, naming `place`, unless the tensors are exactly the model's.
    """
    return _load(model_class, None, place, precision, config=config, state_dict=dict(tensors), **build)


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """Tensors of a .safetensors file, or of a checkpoint by torch.save; one with a `state_dict` in it is opened.

    Nothing but tensors is ever unpickled. Raises BadData for what is no checkpoint.
    """
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise BadData(f"{file} is no checkpoint of tensors: {_first_line(error)}") from None
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    if not isinstance(found, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise BadData(f"{file} is no checkpoint of tensors: it holds {type(found).__name__}")
    return dict(found)


def check_whole(wanted: Tensors, found: Tensors, place: Path) -> None:
    """Raises BadData for the first tensor that is missing, of another shape, or one too many."""
    for name, tensor in wanted.items():
        if name not in found:
            raise BadData(f"{place} has no {name}: these are not the whole weights")
        if found[name].shape != tensor.shape:
            raise BadData(f"{place}: {name} is {list(found[name].shape)}, and not {list(tensor.shape)}")
    if strangers := sorted(found.keys() - wanted.keys()):
        raise BadData(f"{place} has a {strangers[0]}, which has no place in the model")


def library_versions(*libraries: str) -> dict[str, JsonValue]:
    """Versions of what computes a score; a CPU and a GPU build are one version."""
    return {library: version(library).partition("+")[0] for library in libraries}


def _load(model_class: Any, source: Path | None, place: Path, precision: Precision, **given: Any) -> Any:
    device = device_for(precision)
    try:
        model, loading = model_class.from_pretrained(
            source,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that we can name them
            dtype=DTYPES[precision],
            **given,
        )
    except OSError as error:
        raise MissingInput(f"no weights at {place}: {_first_line(error)}", hint="`ddpo mirror` brings them") from None
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError) as error:
        raise BadData(f"{place} cannot be loaded: {_first_line(error)}") from None
    for name, found, wanted in sorted(loading["mismatched_keys"]):
        raise BadData(f"{place}: {name} is {list(found)}, and not {list(wanted)}")
    if missing := sorted(loading["missing_keys"]):
        raise BadData(f"{place} has no {missing[0]}: these are not the whole weights")
    if source is None and (strangers := sorted(loading["unexpected_keys"])):
        raise BadData(f"{place} has a {strangers[0]}, which has no place in the model")
    return model.eval().to(device)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
