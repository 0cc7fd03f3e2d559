"""Weights of a model in the store: committed once as one prefix, and copied from there by machines without the hub.

A large file lies there in pieces, so that no step needs memory for a whole one, several travel at once, and S3's limit
of 5 GB an object is never met. Each piece has its sha256 in the commit, each file its own in the result.
"""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError, field_validator

from components.core import layout, store
from components.core.config import Contract
from components.core.contracts import Manifest, Request, Result
from components.core.errors import BadData, MissingInput

PIECE_BYTES = 64 * 2**20
"""Size of a piece; a smaller file is one object under its own name."""
AT_ONCE = 4
"""Pieces that travel at the same time, and are in memory."""
SUMS = "SHA256SUMS"
"""Beside a model's files: a line `<sha256>  <path>` for each, as `sha256sum` writes and checks them."""

DEAD_AFTER = timedelta(days=3)
"""Age at which the files of an uncommitted attempt are nobody's."""

Progress = Callable[[int], None]
"""Told how many bytes have been moved since it was last told."""


class MirrorRequest(Request):
    """Put one commit of a model into the store."""

    model: str
    """`owner/name`."""
    revision: str
    """The commit; of a directory that has none, the head of its content's sha256."""


class MirroredFile(Contract):
    """One file of a model."""

    path: str
    bytes: int
    sha256: str
    pieces: tuple[str, ...]
    """Paths of the commit that make it up, in order."""

    @field_validator("path")
    @classmethod
    def _stays_below(cls, path: str) -> str:
        if path.startswith("/") or {"", ".", ".."} & set(path.split("/")) or "\\" in path or not path.isprintable():
            raise ValueError(f"{path!r} is no path below a directory")
        return path


class MirrorResult(Result):
    """Files: the model's, large ones in pieces."""

    licence: str
    """As the model card says, or the person who mirrored it."""
    origin: str
    """Where the bytes came from: the hub's address, or a directory."""
    files: tuple[MirroredFile, ...]
    on_hub: bool = True
    """Whether a hub has this commit; False for a directory that was named by its content."""

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for file in self.files)


def find(store_uri: str, model: str, revision: str) -> store.Committed | None:
    """The mirror of one commit of a model, or None."""
    return store.find(f"{layout.models(store_uri, model)}/{revision}")


def revisions(store_uri: str, model: str) -> list[str]:
    """Commits of a model that the store holds."""
    place = layout.models(store_uri, model)
    return [name for name in store.children(place) if store.find(f"{place}/{name}") is not None]


def result_of(mirror: store.Committed) -> MirrorResult:
    """What a mirror holds. Raises BadData where the prefix is no mirror."""
    try:
        return MirrorResult.model_validate(mirror.manifest.result)
    except ValidationError:
        raise BadData(f"{mirror.prefix} holds something else than a model's weights") from None


def write(
    request: MirrorRequest,
    directory: Path,
    paths: list[str],
    *,
    licence: str,
    origin: str,
    on_hub: bool = True,
    expected: Mapping[str, str | None] | None = None,
    progress: Progress = lambda count: None,
) -> Manifest:
    """Commit files of a directory as a mirror.

    `expected` holds the sha256 that the origin gives for a path. Raises BadData where a file is not that.
    """
    _sweep(request.out)
    with store.Attempt(request.out, step="mirror") as attempt, ThreadPoolExecutor(AT_ONCE) as pool:
        files = []
        for path in paths:
            file = _put(attempt, pool, directory / path, path, progress)
            if (sha256 := (expected or {}).get(path)) not in (None, file.sha256):
                raise BadData(f"{path} has sha256 {file.sha256}, and {origin} says {sha256}", hint="fetch it again")
            files.append(file)
        return attempt.commit(request, MirrorResult(licence=licence, origin=origin, on_hub=on_hub, files=tuple(files)))


def require_file(mirror: store.Committed, pattern: str) -> None:
    """Raise MissingInput where a mirror was made without a file: a commit never changes."""
    if not any(fnmatch.fnmatchcase(file.path, pattern) for file in result_of(mirror).files):
        raise MissingInput(
            f"{mirror.prefix} holds no {pattern}", hint="delete the prefix, and mirror again with --include for it"
        )


def copy(mirror: store.Committed, into: Path, *, progress: Progress = lambda count: None) -> None:
    """Write a mirror's files and their SHA256SUMS below an empty directory; each piece is checked as it arrives."""
    result = result_of(mirror)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for file in result.files:
            target = into / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                for pieces in _groups(file.pieces):
                    for data in pool.map(mirror.read, pieces):
                        out.write(data)
                        progress(len(data))
    (into / SUMS).write_text("".join(f"{file.sha256}  {file.path}\n" for file in result.files), encoding="utf-8")


def content_revision(directory: Path, paths: list[str]) -> str:
    """A revision for files that have none: the first 40 digits of a sha256 over their paths and contents."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        with (directory / path).open("rb") as file:
            digest.update(f"{path}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:40]


def _put(attempt: store.Attempt, pool: ThreadPoolExecutor, source: Path, path: str, progress: Progress) -> MirroredFile:
    """Write one file into an attempt, and take its sha256 on the way."""
    whole, size, names = hashlib.sha256(), source.stat().st_size, []
    with source.open("rb") as file:
        numbered = enumerate(_read(file))
        while group := list(itertools.islice(numbered, AT_ONCE)):
            written = []
            for number, data in group:
                name = path if size <= PIECE_BYTES else f"{path}.piece-{number:04d}"
                names.append(name)
                whole.update(data)
                written.append((pool.submit(attempt.write, name, data), len(data)))
            for task, count in written:
                task.result()
                progress(count)
    return MirroredFile(path=path, bytes=size, sha256=whole.hexdigest(), pieces=tuple(names))


def _sweep(prefix: str) -> None:
    """Remove what mirrorings that died days ago left below a prefix that nobody has committed: it may be gigabytes."""
    for path, _, written in list(store.below(prefix)):
        if path.startswith(f"{store.ATTEMPTS}/") and written < datetime.now(UTC) - DEAD_AFTER:
            store.delete(f"{prefix}/{path}")


def _read(file: BinaryIO) -> Iterator[bytes]:
    """A file's pieces; an empty file has one, of no bytes."""
    yield file.read(PIECE_BYTES)
    while data := file.read(PIECE_BYTES):
        yield data


def _groups(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(names), AT_ONCE):
        yield names[start : start + AT_ONCE]
