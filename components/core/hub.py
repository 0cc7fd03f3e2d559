"""The hub of models: what a repository holds, what of it is in this machine's cache, and how it is brought here.

All of it is huggingface_hub's work: HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE mean what they always mean.
"""

from __future__ import annotations

import glob
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.errors import BadRequest, MissingInput, Unavailable
from components.core.model_files import chosen

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds that the hub may take to answer before it counts as out of reach."""


@dataclass(frozen=True)
class Listing:
    """A repository at one commit."""

    model: str
    revision: str
    """The commit."""
    licence: str | None
    """As the model card says; None where it says nothing."""
    origin: str
    """The hub's address."""
    sha256: dict[str, str | None]
    """Path -> the hub's own digest, which it has for large files."""


def listing(model: str, revision: str | None = None) -> Listing | None:
    """What a repository holds; None where the hub cannot be reached from here.

    Raises MissingInput where it has no such model or does not show it to this user, Unavailable where it is busy.
    """
    try:
        from huggingface_hub import HfApi, constants
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
    except ImportError:
        return None
    shown = f"{model}@{revision}" if revision else model
    try:
        info = HfApi().model_info(model, revision=revision, files_metadata=True, timeout=TIMEOUT)
    except OfflineModeIsEnabled:
        return None
    except GatedRepoError:
        raise MissingInput(f"{shown} is gated", hint="accept its terms on the hub, and set HF_TOKEN") from None
    except HFValidationError:
        raise BadRequest(f"{model!r} is not the name of a hub model") from None
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403, 404):
            raise MissingInput(f"the hub has no {shown}, or does not show it", hint="set HF_TOKEN if it is private")\
                from None  # fmt: skip
        raise Unavailable(f"the hub answered {error.response.status_code} for {shown}") from None
    except Exception as error:
        if _no_connection(error):
            return None
        raise
    files = {item.rfilename: item.lfs.sha256 if item.lfs else None for item in info.siblings or ()}
    return Listing(
        model=model,
        revision=info.sha or "",
        licence=licence_of(info.card_data.to_dict() if info.card_data else {}),
        origin=constants.ENDPOINT,
        sha256=files,
    )


def download(found: Listing, paths: Sequence[str]) -> Path:
    """Bring files of a repository into the hub's cache; the snapshot's directory. Raises Unavailable if it breaks."""
    from huggingface_hub import snapshot_download

    try:
        exactly = [glob.escape(path) for path in paths]
        return Path(snapshot_download(found.model, revision=found.revision, allow_patterns=exactly))
    except (OSError, RuntimeError) as error:
        raise Unavailable(f"{found.model} could not be downloaded: {str(error).splitlines()[0]}") from error


def cached(model: str, revision: str | None, *, holds: str) -> Path | None:
    """A snapshot in the hub's cache with all that is known to belong to it; None where there is none."""
    try:
        from huggingface_hub import get_cached_repo_tree, try_to_load_from_cache
        from huggingface_hub.errors import CachedRepoTreeNotFoundError
    except ImportError:
        return None
    place = try_to_load_from_cache(model, holds, revision=revision)
    if not isinstance(place, str):
        return None
    snapshot = Path(place).parents[len(Path(holds).parts) - 1]
    try:
        known = [file.path for file in get_cached_repo_tree(model, revision=snapshot.name)]
    except CachedRepoTreeNotFoundError:  # file by file: nobody knows what belongs to it, and its loader will say
        return snapshot
    lacking = [path for path in chosen(known, [glob.escape(holds)]) if not (snapshot / path).is_file()]
    if lacking:
        log.warning("the hub's cache holds a part of %s only: %s is not there", model, lacking[0])
    return None if lacking else snapshot


def licence_of(card: dict[str, Any]) -> str | None:
    """What the head of a model card says of the licence.

    >>> licence_of({"license": "other", "license_name": "llama2", "license_link": "https://example.org/l"})
    'llama2 (https://example.org/l)'
    """
    name = card.get("license_name") or card.get("license")
    if isinstance(name, list):
        name = ", ".join(map(str, name))
    link = card.get("license_link")
    return (f"{name} ({link})" if link else str(name)) if name else None


def licence_in(directory: Path) -> str | None:
    """The licence that a directory's model card names; None without a card."""
    try:
        from huggingface_hub import metadata_load
    except ImportError:
        return None
    card = directory / "README.md"
    return licence_of(metadata_load(card) or {}) if card.is_file() else None


def _no_connection(error: BaseException) -> bool:
    """Whether an error of the hub's HTTP library says that nobody answered."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, ConnectionError | TimeoutError) or "TransportError" in names
