"""Where the base model is, and which one it is. Light: nothing is loaded, files are only found, copied and hashed."""

from __future__ import annotations

from pathlib import Path

from components.core import mirrors, weights
from components.core.config import BaseModelConfig
from components.core.errors import MissingInput
from components.core.model_files import PIPELINE

TINY = Path(__file__).resolve().parents[1] / "policy" / "tiny" / "weights"


def named(base: BaseModelConfig) -> str:
    """What the config names: a directory that is here, or a hub id. Nothing is fetched.

    Raises MissingInput for a directory that holds no pipeline.
    """
    path = TINY if base.model == "tiny" else Path(base.model).expanduser()
    if (path / PIPELINE).is_file():
        return str(path)
    if base.model == "tiny" or path.exists() or not weights.is_hub_id(base.model):
        raise MissingInput(
            f"no base model at {path}: a directory in diffusers' layout has a {PIPELINE}",
            hint="base.model is `tiny`, such a directory, or a hub id like owner/name",
        )
    return base.model


def locate(base: BaseModelConfig) -> Path:
    """The local directory of the base, in diffusers' layout; a hub id is brought here from the store or the hub.

    Raises MissingInput where it cannot be had, BadData where a file is not what its sha256 says.
    """
    return weights.directory(named(base), base.revision, holds=PIPELINE)


def published(base: BaseModelConfig) -> bool:
    """Whether a machine without this store can have the base by its name: a hub has it."""
    place = named(base)
    if not weights.is_hub_id(place):
        return False
    mirror = weights.mirror_of(place, base.revision)
    return mirror is None or mirrors.result_of(mirror).on_hub


def identify(base: BaseModelConfig) -> str:
    """Id of the base: a digest over a local directory's files, or `owner/name@commit` of a hub model.

    A hub model's weights need not be here, and its id does not depend on where they came from.
    """
    place = named(base)
    if weights.is_hub_id(place):
        if not weights.is_pinned(base.revision):
            weights.warn_of_moving(place, base.revision)
        return f"{place}@{base.revision or 'main'}"
    return f"sha256:{weights.directory_digest(place)}"
