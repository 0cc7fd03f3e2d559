"""Where a model's weights are, and which weights they are. Light: files are found, copied and hashed, never loaded.

A model is a local directory, or a hub id `owner/name`. A hub id is looked for, in this order:

1. in DDPO_MODELS, `<owner>--<name>/<commit>`: what was copied from a mirror before, or a volume filled elsewhere;
2. in the store, as `ddpo mirror` put it there: copied to DDPO_MODELS, once a machine;
3. in the hub's own cache;
4. on the hub, where it can be reached.

A directory with a SHA256SUMS is checked against it, once a process. What is not there is refused: nothing is ever
scored or drawn with random weights. `python -m components.core.weights owner/name@commit ...` fills a volume, and mends
it: a copy that is right stays, one that is damaged is made again. Whoever reads may have the volume read-only.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from pydantic import JsonValue

from components.core import deployment, hub, mirrors, store
from components.core.errors import BadData, BadRequest, MissingInput, StepError, Unavailable
from components.core.model_files import PICKLES, chosen

log = logging.getLogger(__name__)

CACHE_VARIABLE = "DDPO_MODELS"
"""Directory of copied mirrors. Default: ddpo/models in XDG_CACHE_HOME."""
LOADED = (".json", ".safetensors", ".txt", ".model", ".jinja", *PICKLES)
"""Suffixes of what a library loads from a model's directory: configs, weights, tokenizers, chat templates."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
PINNED = re.compile(r"[0-9a-f]{40}")
"""A commit of a hub repository: unlike a branch or a tag, it never moves."""
SUM = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")
NOT_OURS = (errno.EROFS, errno.EACCES, errno.EPERM)
"""Why a directory takes no file, where trying again cannot help."""


def directory(model: str, revision: str | None = None, *, holds: str = "config.json") -> Path:
    """The local directory of a model's weights; `holds` is a file that it must have.

    Raises MissingInput, saying what would bring the weights here, and BadData where a file is not what its sha256 says.
    """
    if not is_hub_id(model):
        return _local(Path(model).expanduser(), model, holds)
    if not is_pinned(revision):
        warn_of_moving(model, revision)
    found = _mirrored(model, revision, holds) or hub.cached(model, revision, holds=holds)
    return found or _downloaded(model, revision, holds)


def identify(model: str, revision: str | None = None, *, holds: str = "config.json") -> dict[str, JsonValue]:
    """Who these weights are: a hub model and its commit, or a digest of files where nothing pins them.

    The weights of a pinned hub model need not be here. Raises MissingInput for others that are not.
    """
    if is_hub_id(model) and is_pinned(revision):
        return {"model": model, "revision": revision}
    files: dict[str, JsonValue] = {"files": f"sha256:{directory_digest(str(directory(model, revision, holds=holds)))}"}
    return {"model": model, **files} if is_hub_id(model) else files


def peek(model: str, revision: str | None, path: str) -> bytes | None:
    """A small file of a model, without bringing its weights here; None where it is not on this machine or mirrored."""
    if not is_hub_id(model):
        place = Path(model).expanduser() / path
        return place.read_bytes() if place.is_file() else None
    mirror = mirror_of(model, revision)
    if mirror is not None and any(file.path == path for file in mirror.manifest.files):
        return mirror.read(path)
    snapshot = hub.cached(model, revision, holds=path)
    return (snapshot / path).read_bytes() if snapshot is not None else None


def mirror_of(model: str, revision: str | None) -> store.Committed | None:
    """The store's mirror of a hub model at a commit, or None."""
    return mirrors.find(deployment.from_environment().store, model, str(revision)) if is_pinned(revision) else None


def is_hub_id(model: str) -> bool:
    """Whether this is `owner/name`, and not a directory that is here.

    >>> is_hub_id("openai/clip-vit-large-patch14"), is_hub_id("/models/clip"), is_hub_id("./clip")
    (True, False, False)
    """
    return HUB_ID.fullmatch(model) is not None and not Path(model).exists()


def is_pinned(revision: str | None) -> bool:
    """Whether a revision is a whole commit id: a branch moves, and a tag can.

    >>> is_pinned("main"), is_pinned("133a221b8aa7292a167afc5127cb63fb5005638b")
    (False, True)
    """
    return revision is not None and PINNED.fullmatch(revision) is not None


@cache
def warn_of_moving(model: str, revision: str | None) -> None:
    """Say once a process that a model is not pinned."""
    log.warning(
        "%s@%s may be other weights tomorrow: give its commit as the revision", model, revision or "its newest commit"
    )


def models_directory() -> Path:
    """Where mirrors are copied to on this machine."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get(CACHE_VARIABLE) or Path(caches) / "ddpo" / "models").expanduser().absolute()


@cache
def directory_digest(directory: str) -> str:
    """sha256 over the sorted relative paths and sha256s of everything a library loads: configs and weights."""
    root = Path(directory)
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in LOADED):
        digest.update(f"{path.relative_to(root).as_posix()}\0{_sha256(path)}\n".encode())
    return digest.hexdigest()


def read_sums(file: Path) -> dict[str, str]:
    """Path -> sha256 of a SHA256SUMS. Raises BadData for a line that is none."""
    sums = {}
    for line in filter(None, file.read_text(encoding="utf-8").splitlines()):
        if (match := SUM.fullmatch(line)) is None or ".." in Path(match[2]).parts:
            raise BadData(f"{file}: {line!r:.80} is not `<sha256>  <path>`", hint="write it with sha256sum")
        sums[Path(match[2]).as_posix()] = match[1]
    return sums


def _local(path: Path, model: str, holds: str | None) -> Path:
    if not path.is_dir():
        raise MissingInput(f"no directory at {model}", hint="a model is a directory, or a hub id like owner/name")
    if holds is not None and not (path / holds).is_file():
        raise MissingInput(f"{path} holds no {holds}", hint="is it the directory of this kind of model?")
    require_right(path)
    return path


def _mirrored(model: str, revision: str | None, holds: str | None) -> Path | None:
    """The local copy of a mirror, made now if need be; None where there is no mirror."""
    place = models_directory() / model.replace("/", "--")
    if revision in (None, "main"):  # the one that is there: nobody else can say what is newest
        known = mirrors.revisions(deployment.from_environment().store, model)
        if len(known) > 1:
            raise MissingInput(f"the store has {len(known)} commits of {model}", hint=f"say which: {', '.join(known)}")
        revision = known[0] if known else None
    if revision is None or not is_pinned(revision):
        return None
    if not (place / revision).is_dir():
        mirror = mirror_of(model, revision)
        if mirror is None:
            return None
        if holds is not None:
            mirrors.require_file(mirror, glob.escape(holds))
        _copy(model, mirror, place / revision)
    return _local(place / revision, model, holds)


def _mended(model: str, revision: str | None) -> Path | None:
    """The local copy of a mirror, made again where a file of it is not what its sha256 says."""
    try:
        return _mirrored(model, revision, None)
    except BadData as error:
        damaged = models_directory() / model.replace("/", "--") / str(revision)
        if not damaged.is_dir() or mirror_of(model, revision) is None:
            raise
        log.warning("%s: copying it again", error.message)
        shutil.rmtree(damaged, ignore_errors=True)  # what stays is refused again
        return _mirrored(model, revision, None)


def _copy(model: str, mirror: store.Committed, target: Path) -> None:
    """Copy a mirror to a directory, whole or not at all: one process does, the others wait for it."""
    partial, lock = target.with_name(f".{target.name}.partial"), target.with_name(f".{target.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(lock):
            if not target.is_dir():
                shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
                partial.mkdir()
                log.info("copying %s to %s", mirror.prefix, target)
                mirrors.copy(mirror, partial)
                partial.rename(target)
    except OSError as error:
        if error.errno in NOT_OURS:
            raise MissingInput(
                f"{target} is not there, and cannot be written: {error.strerror}",
                hint=f"`python -m components.core.weights {model}@{target.name}` copies it, where {CACHE_VARIABLE} is "
                "writable: weights.models of the chart, DDPO_WEIGHTS of compose",
            ) from None
        raise Unavailable(
            f"{target.parent} takes no weights: {error.strerror or error}",
            hint=f"{CACHE_VARIABLE} names a directory with room for {mirrors.result_of(mirror).bytes / 1e9:.1f} GB",
        ) from None


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock file, which the kernel releases however its holder ends. Windows has none: let one process copy."""
    with lock.open("a") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@cache
def require_right(path: Path) -> None:
    """Check every file of a directory that a library could load against its SHA256SUMS, where it has one.

    Raises BadData naming a file that is not as listed, not listed, or gone.
    """
    if not (path / mirrors.SUMS).is_file():
        return
    sums = read_sums(path / mirrors.SUMS)
    there = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.suffix in LOADED}
    if unknown := sorted(there - set(sums)):
        raise BadData(f"{path / unknown[0]} is not in {mirrors.SUMS}", hint="did somebody add it?")
    for name in sums:
        if not (path / name).is_file():
            raise BadData(f"{path} lacks {name}, which its {mirrors.SUMS} lists", hint="delete it, and copy it again")
    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(sums, pool.map(_sha256, (path / name for name in sums)), strict=True))
    for name, sha256 in sums.items():
        if found[name] != sha256:
            raise BadData(
                f"{path / name} has changed: its sha256 is not that of {mirrors.SUMS}",
                hint="delete the directory; it is copied again",
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _downloaded(model: str, revision: str | None, holds: str) -> Path:
    remedy = f"`ddpo mirror {model}@{revision if is_pinned(revision) else 'COMMIT'}` puts them into the store"
    listing = hub.listing(model, revision)
    if listing is None:
        raise MissingInput(
            f"no weights of {model}{f'@{revision}' if revision else ''}: not in the store, not on this machine, "
            "and the hub is out of reach",
            hint=remedy,
        )
    if holds not in listing.sha256:
        raise MissingInput(f"{model} holds no {holds}", hint="is it this kind of model?")
    return hub.download(listing, chosen(listing.sha256, [glob.escape(holds)]))


def main(arguments: list[str]) -> int:
    """`owner/name@commit ...`: copy mirrors to this machine, check what is there, and print where they are."""
    if not arguments or arguments[0].startswith("-"):
        print(__doc__)
        return 0 if arguments else BadRequest.exit_code
    try:
        for argument in arguments:
            model, _, revision = argument.partition("@")
            place = _mended(model, revision or None)
            if place is None:
                raise MissingInput(f"no mirror of {argument} in the store", hint=f"`ddpo mirror {argument}` makes it")
            print(place)
    except StepError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
