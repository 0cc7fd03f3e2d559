"""Load a registered policy anywhere, and draw with it: this file travels with every version, as code/ of its files.

Needs mlflow, torch, diffusers, peft and safetensors, and nothing else of this project. MLflow imports it under the name
`ddpo_served_policy_2` and calls `_load_pyfunc`. Before anything is loaded,

1. every file below `adapter_weights/`, `unet_weights/` and `base/` is there, none is there that should not be, and the
   sha256 of each is the one that stands in the version's MLmodel;
2. the digest over these sha256s is the one in the version's tag `ddpo.files_digest`, so that whoever can write the
   version's files but not the registry changes nothing unseen.

What cannot be checked from here is this file itself, which MLflow runs first.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

ADAPTER, UNET, BASE = "adapter_weights", "unet_weights", "base"
FILES, FILES_DIGEST = "ddpo.files", "ddpo.files_digest"
CLIENT_LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}


class RefusedModel(RuntimeError):
    """The files are not those that were registered, or something that they need is not here. Nothing was loaded."""


def _load_pyfunc(path: str, model_config: dict[str, str] | None = None) -> ServedPolicy:
    """What MLflow calls. `model_config`: `base_model`, a local copy of a hub base; `device`, such as `cuda:1`."""
    chosen = model_config or {}
    root = Path(path)
    pipeline = load_pipeline(root, base_model=chosen.get("base_model", ""), device=chosen.get("device", ""))
    return ServedPolicy(pipeline, read_metadata(root)["ddpo.sampler"])


class ServedPolicy:
    """A pipeline that turns prompts into PNG files."""

    def __init__(self, pipeline: Any, sampler: dict[str, Any]) -> None:
        self.pipeline = pipeline
        self.sampler = sampler

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> list[bytes]:
        """One PNG for each row of the column `prompt`.

        `params`: `seed` (row i is drawn from seed + i, by a CPU generator of its own, one picture at a time, so that
        a picture depends on its prompt and seed only), `num_inference_steps`, `guidance_scale`, `eta` and
        `negative_prompt`. What is not given is as the policy ships: its training's settings at eta 0.
        """
        import torch

        chosen = {**self.sampler, **(params or {})}
        pictures = []
        for row, prompt in enumerate(_prompts(data)):
            drawn = self.pipeline(
                prompt,
                negative_prompt=chosen.get("negative_prompt") or None,
                num_inference_steps=int(chosen["num_inference_steps"]),
                guidance_scale=float(chosen["guidance_scale"]),
                eta=float(chosen["eta"]),
                generator=torch.Generator().manual_seed(int(chosen["seed"]) + row),
            )
            pictures.append(_png(drawn.images[0]))
        return pictures


def load_pipeline(root: Path, *, base_model: str = "", device: str = "") -> Any:
    """A checked version's diffusers pipeline, on the first GPU or the CPU. Raises RefusedModel before loading."""
    metadata = verify(root)
    import torch
    from diffusers import DDIMScheduler, DiffusionPipeline

    base = metadata["ddpo.base"]
    place = str(root / BASE) if (root / BASE).is_dir() else base_model or base["model"]
    revision = {"revision": base["revision"]} if base["revision"] and place == base["model"] else {}
    pipeline = DiffusionPipeline.from_pretrained(place, dtype=getattr(torch, base["dtype"]), **revision)
    spacing = metadata["ddpo.sampler"]["timestep_spacing"]
    pipeline.scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing=spacing, clip_sample=False
    )
    if (root / ADAPTER).is_dir():
        pipeline.load_lora_weights(str(root / ADAPTER))
        for name, parameter in pipeline.unet.named_parameters():
            if "lora_" in name:
                parameter.data = parameter.data.float()  # as it was trained, whatever the precision of the base
    if (root / UNET).is_dir():
        from safetensors.torch import load_file

        pipeline.unet.load_state_dict(load_file(root / UNET / "unet.safetensors"))  # rounded to the base's precision
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def verify(root: Path) -> dict[str, Any]:
    """Check a version's files against its MLmodel and, where the registry can be asked, its tag; return the metadata.

    Raises RefusedModel naming the file.
    """
    metadata = read_metadata(root)
    expected: dict[str, str] = metadata[FILES]
    found = {path.relative_to(root).as_posix(): path for path in _files(root)}
    if surplus := sorted(set(found) - set(expected)):
        raise RefusedModel(f"{surplus[0]} was not registered: {_REMEDY}")
    for path, sha256 in expected.items():
        if path not in found:
            raise RefusedModel(f"{path} is gone: {_REMEDY}")
        with found[path].open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise RefusedModel(f"{path} was changed after its registration: {_REMEDY}")
    recorded = _registered_digest(root)
    if recorded is not None and recorded != files_digest(expected):
        raise RefusedModel(f"MLmodel was changed after its registration, and so may every weight have been: {_REMEDY}")
    return metadata


_REMEDY = "nothing was loaded; load another version, or register the policy again"


def read_metadata(root: Path) -> dict[str, Any]:
    """What the version says of itself. Raises RefusedModel where it is none of this project's."""
    from mlflow.models import Model

    metadata: dict[str, Any] = Model.load(str(root / "MLmodel")).metadata or {}
    if FILES not in metadata:
        raise RefusedModel(f"{root} has no digests of its files: register the policy again with this release")
    return metadata


def digests(root: Path) -> dict[str, str]:
    """Path -> sha256 of every file that is loaded."""
    found = {}
    for path in _files(root):
        with path.open("rb") as file:
            found[path.relative_to(root).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def files_digest(files: dict[str, str]) -> str:
    """One digest over the paths and sha256s of all of them.

    >>> files_digest({}) == hashlib.sha256(b"{}").hexdigest()
    True
    """
    return hashlib.sha256(json.dumps(files, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _files(root: Path) -> list[Path]:
    return sorted(path for part in (ADAPTER, UNET, BASE) for path in (root / part).rglob("*") if path.is_file())


def _registered_digest(root: Path) -> str | None:
    """The digest in the version's tag; None, with a warning, where there is no registry to ask."""
    import mlflow
    import yaml
    from mlflow.exceptions import MlflowException

    meta = root / "registered_model_meta"  # MLflow writes it beside what it downloads from models:/...
    if not meta.is_file() or not (mlflow.is_tracking_uri_set() or os.environ.get("MLFLOW_REGISTRY_URI")):
        log.warning("%s is checked against its own MLmodel only: no registry is known here", root)
        return None
    named = yaml.safe_load(meta.read_text(encoding="utf-8"))
    name, version = str(named["model_name"]), str(named["model_version"])
    try:
        with _environment(CLIENT_LIMITS):
            tags = mlflow.MlflowClient().get_model_version(name, version).tags
    except (MlflowException, OSError) as error:
        log.warning("version %s of %s is checked against its own MLmodel only: %s", version, name, error)
        return None
    if FILES_DIGEST not in tags:
        raise RefusedModel(f"version {version} of {name} has no tag {FILES_DIGEST}: {_REMEDY}")
    return str(tags[FILES_DIGEST])


@contextmanager
def _environment(limits: dict[str, str]) -> Iterator[None]:
    """MLflow's own limits block for minutes on a server that is away."""
    added = {name: value for name, value in limits.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _prompts(data: Any) -> Sequence[str]:
    """The prompts of a DataFrame or of a plain mapping; a cell that holds a list is that many prompts."""
    column = data["prompt"]
    cells = [column] if isinstance(column, str) else list(column)
    prompts = [prompt for cell in cells for prompt in (cell if isinstance(cell, list) else [cell])]
    if not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        raise ValueError("the column `prompt` holds one text a row")
    return prompts


def _png(picture: Any) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()
