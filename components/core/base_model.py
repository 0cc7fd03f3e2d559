"""Where the base model is, and which one it is. Light: nothing is loaded, files are only hashed."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from components.core.config import BaseModelConfig
from components.core.errors import MissingInput

TINY = Path(__file__).resolve().parents[1] / "policy" / "tiny" / "weights"


def locate(base: BaseModelConfig) -> str:
    """What diffusers' `from_pretrained` takes: a directory or a hub id.

    Raises MissingInput for a directory that holds no pipeline.
    """
    path = TINY if base.model == "tiny" else Path(base.model).expanduser()
    if (path / "model_index.json").is_file():
        return str(path)
    looks_local = base.model == "tiny" or base.model.startswith((".", "/", "~")) or path.exists()
    if looks_local or base.model.count("/") != 1:
        raise MissingInput(
            f"no base model at {path}: a directory in diffusers' layout has a model_index.json",
            hint="base.model is `tiny`, such a directory, or a hub id like owner/name",
        )
    return base.model


def identify(base: BaseModelConfig) -> str:
    """Id of the base: a digest over a local directory's files, or `owner/name@revision` of a hub model."""
    place = locate(base)
    if not Path(place).is_dir():
        return f"{place}@{base.revision or 'main'}"
    return f"sha256:{directory_digest(place)}"


@cache
def directory_digest(directory: str) -> str:
    """sha256 over the sorted relative paths and sha256s of everything diffusers loads: configs and weights."""
    root = Path(directory)
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in {".json", ".safetensors", ".bin", ".txt"}):
        with path.open("rb") as file:
            digest.update(
                f"{path.relative_to(root).as_posix()}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
            )
    return digest.hexdigest()
