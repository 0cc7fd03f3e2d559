"""Objects on a file system, with S3's semantics: created whole or not at all, and never overwritten.

A name appears by `os.link` of a complete, fsynced file: unlike O_EXCL and write, a crash leaves no empty object.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import url2pathname

from components.core.errors import BadRequest, MissingInput, Unavailable

SCHEME = "file://"
STAGED = ".staged"
"""Suffix of a file that waits for its link. Never listed."""
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def create(uri: str, data: bytes, *, staging: str | None = None) -> bool:
    """Make an object unless there is one. `staging` is where its bytes wait, by default beside it."""
    target = path_of(uri)
    staged = path_of(staging) if staging else target.with_name(f".{target.name}.{uuid.uuid4().hex}{STAGED}")
    with _explained(uri):
        _make_directory(target.parent)
        _write_new(staged, data)
        _sync(staged)
        made = _link(staged, target)
        staged.unlink()
        _sync(target.parent)
    return made


def put(uri: str, data: bytes, sha256: bytes) -> None:
    """Write an object under a name that nobody else knows; it is durable after `flush`."""
    with _explained(uri):
        _write_new(path_of(uri), data)


def flush(uris: Iterable[str]) -> None:
    """Bring objects, and the directories that name them, to the disk."""
    directories = set()
    for uri in uris:
        path = path_of(uri)
        directories.add(path.parent)
        with _explained(uri):
            _sync(path)
    for directory in directories:
        _sync(directory)


def read(uri: str) -> bytes:
    """All bytes of an object."""
    with _explained(uri):
        return path_of(uri).read_bytes()


def children(uri: str) -> list[str]:
    """Names directly below, sorted."""
    try:
        with _explained(uri):
            return sorted(name for name in os.listdir(path_of(uri)) if not name.endswith(STAGED))
    except MissingInput:
        return []


def below(uri: str) -> Iterator[tuple[str, int, datetime]]:
    """Every object below a prefix: its path from there, bytes, and when it was written (UTC). In no order."""
    root = path_of(uri)
    with _explained(uri):
        for directory, _, names in os.walk(root):
            for name in names:
                path = Path(directory, name)
                with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                    facts = path.stat()
                    written = datetime.fromtimestamp(facts.st_mtime, UTC)
                    yield path.relative_to(root).as_posix(), facts.st_size, written


def delete(uri: str) -> None:
    """Remove an object, and the directories that it leaves empty. None there is fine."""
    path = path_of(uri)
    with _explained(uri):
        path.unlink(missing_ok=True)
        for parent in path.parents:
            try:
                parent.rmdir()
            except OSError:  # not empty
                return


def path_of(uri: str) -> Path:
    """The path that a file:// URI names; %20 and the like are decoded."""
    path = Path(url2pathname(uri.removeprefix(SCHEME)))
    if not path.is_absolute():
        raise BadRequest(f"{uri} is not absolute", hint="write file:///absolute/path, with three slashes")
    return path


def _write_new(path: Path, data: bytes) -> None:
    _make_directory(path.parent)
    with path.open("xb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]


def _make_directory(path: Path) -> None:
    """Make a directory and its parents, each on the disk before anything is put into it."""
    if path.is_dir():
        return
    _make_directory(path.parent)
    path.mkdir(exist_ok=True)
    _sync(path.parent)


def _link(staged: Path, target: Path) -> bool:
    try:
        os.link(staged, target)
    except FileExistsError:
        return os.path.samefile(staged, target)  # NFS repeats a request whose answer was lost, and then finds itself
    except OSError as error:
        if error.errno in NO_LINKS:
            raise BadRequest(
                f"the file system at {target.parent} has no hard links", hint="keep the store on a local disk or NFS"
            ) from None
        raise
    return True


def _sync(path: Path) -> None:
    if sys.platform == "win32" and path.is_dir():
        return  # Windows cannot open a directory, and orders its metadata itself
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() or sys.platform != "win32" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _explained(uri: str) -> Iterator[None]:
    """An operating system's error as one of ours."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise MissingInput(f"nothing at {uri}") from None
    except PermissionError:
        raise BadRequest(f"no permission at {uri}", hint="give this user read and write access there") from None
    except OSError as error:
        raise Unavailable(f"{uri}: {error.strerror}") from error
