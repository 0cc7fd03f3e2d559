"""Where a model's weights are, and which weights they are. Light: files are found and hashed, never loaded.

A model is a local directory, or a hub id `owner/name`. A hub id is looked for in the hub's local cache, and then
downloaded where the hub can be reached. What is not there is refused: nothing is ever scored or drawn with random
weights.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

from pydantic import JsonValue

from components.core.errors import BadRequest, MissingInput

LOADED = (".json", ".safetensors", ".bin", ".txt", ".pt", ".pth", ".ckpt", ".model", ".jinja")
"""Suffixes of what a library loads from a model's directory: configs, weights, tokenizers, chat templates."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
PINNED = re.compile(r"[0-9a-f]{40}")
"""A commit of a hub repository: unlike a branch or a tag, it never moves."""


def directory(model: str, revision: str | None = None, *, holds: str = "config.json") -> Path:
    """The local directory of a model's weights; `holds` is a file that it must have.

    Raises MissingInput, saying what would bring the weights here.
    """
    if not is_hub_id(model):
        return _local(Path(model).expanduser(), model, holds)
    found = _from_hub(model, revision, holds)
    if found is None:
        raise MissingInput(
            f"no weights of {model} with a {holds} on this machine, and the hub was not reached",
            hint=f"`ddpo mirror {model}@{revision or 'REVISION'}` puts them into the store",
        )
    return found


def identify(model: str, revision: str | None = None, *, holds: str = "config.json") -> dict[str, JsonValue]:
    """Who these weights are: a hub model and its commit, or a digest of files where nothing pins them.

    The weights of a pinned hub model need not be here. Raises MissingInput for others that are not.
    """
    if is_hub_id(model) and is_pinned(revision):
        return {"model": model, "revision": revision}
    files: dict[str, JsonValue] = {"files": f"sha256:{directory_digest(str(directory(model, revision, holds=holds)))}"}
    return {"model": model, **files} if is_hub_id(model) else files


def is_hub_id(model: str) -> bool:
    """Whether this is `owner/name`, and not a directory that is here.

    >>> is_hub_id("openai/clip-vit-large-patch14"), is_hub_id("/models/clip"), is_hub_id("./clip")
    (True, False, False)
    """
    return HUB_ID.fullmatch(model) is not None and not Path(model).exists()


def is_pinned(revision: str | None) -> bool:
    """Whether a revision is a whole commit id: a branch moves, a tag can.

    >>> is_pinned("main"), is_pinned("133a221b8aa7292a167afc5127cb63fb5005638b")
    (False, True)
    """
    return revision is not None and PINNED.fullmatch(revision) is not None


@cache
def directory_digest(directory: str) -> str:
    """sha256 over the sorted relative paths and sha256s of everything a library loads: configs and weights."""
    root = Path(directory)
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in LOADED):
        with path.open("rb") as file:
            digest.update(
                f"{path.relative_to(root).as_posix()}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
            )
    return digest.hexdigest()


def _local(path: Path, model: str, holds: str) -> Path:
    if not path.is_dir():
        raise MissingInput(f"no directory at {model}", hint="a model is a directory, or a hub id like owner/name")
    if not (path / holds).is_file():
        raise MissingInput(f"{path} holds no {holds}", hint="is it the directory of this kind of model?")
    return path


def _from_hub(model: str, revision: str | None, holds: str) -> Path | None:
    """From the hub's cache, else downloaded; None where neither is possible."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
    except ImportError:
        return None
    safe = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", holds]  # pickles run code: only by name
    for local_files_only in (True, False):
        try:
            path = Path(snapshot_download(model, revision=revision, local_files_only=local_files_only,
                                          allow_patterns=safe))  # fmt: skip
        except (RepositoryNotFoundError, LocalEntryNotFoundError, HfHubHTTPError, OSError):
            continue
        except ValueError as error:
            raise BadRequest(f"{model}@{revision} is not a hub model: {str(error).splitlines()[0]}") from None
        if (path / holds).is_file():
            return path
    return None
