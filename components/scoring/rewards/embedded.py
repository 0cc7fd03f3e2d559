"""Where the scorers of the embedded tiny base lie, and what identifies them."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from pydantic import JsonValue

from components.core import base_model, weights
from components.core.errors import MissingInput

SCORERS = base_model.TINY.parent / "scorers"


def directory(name: str) -> Path:
    """Directory of an embedded scorer. Raises MissingInput if its weights are not there."""
    path = SCORERS / name
    if not (path / "config.json").is_file():
        raise MissingInput(f"no weights of the embedded {name} at {path}", hint="they are part of the repository")
    return path


def identity(path: Path, *libraries: str) -> dict[str, JsonValue]:
    """Digest of the weights, and versions of what computes with them (a CPU and a GPU build are one version)."""
    versions: dict[str, JsonValue] = {library: version(library).partition("+")[0] for library in libraries}
    return {"weights": f"sha256:{weights.directory_digest(str(path))}", **versions}
