"""Object storage with one rule: a prefix is whole or absent.

Works on s3:// (boto3: its endpoint, profile and credential chain are the user's) and on file://, with the same semantics.

1. An attempt writes below `<prefix>/attempts/<uuid>/`; nothing is ever overwritten.
2. `<prefix>/COMMITTED.json` goes last, and only if it is not there yet: `If-None-Match: *` on S3, `os.link` of a
   complete, fsynced temporary file on file://. Exactly one attempt wins.
3. Readers follow COMMITTED.json only, and check size and sha256 of every file they read.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from components.core.contracts import Manifest, Request, Result
from components.core.records import Row

MARKER = "COMMITTED.json"


def create(uri: str, data: bytes) -> bool:
    """Write an object only if there is none: True if this call made it, False if it was there (412). Retries on 409."""
    raise NotImplementedError


def read(uri: str) -> bytes:
    """Read one object. Raises MissingInput if it is not there, Unavailable if the service is away."""
    raise NotImplementedError


def children(uri: str) -> list[str]:
    """Names directly below a prefix (objects and prefixes), sorted; empty if there is nothing."""
    raise NotImplementedError


def probe(store: str) -> None:
    """Prove that a store can be written and honours conditional puts (put twice, expect 412).

    Raises BadRequest, saying what to mend: no such bucket, no permission, or no conditional puts.
    """
    raise NotImplementedError


class Attempt:
    """One try at filling a prefix. Use as a context manager; without commit() it leaves only an orphan."""

    def __init__(self, prefix: str, *, step: str) -> None:
        self.prefix = prefix

    def write(self, path: str, data: bytes) -> None:
        """Write one file of the result, `path` relative to the prefix. Twice the same path is an error."""
        raise NotImplementedError

    def commit(self, request: Request, result: Result) -> Manifest:
        """Make the prefix whole. If another attempt was first: its manifest if it answers the same request, else Conflict."""
        raise NotImplementedError

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is removed: an orphan is evidence, and cleanup is retention's work."""


class Committed:
    """A whole prefix, open for reading."""

    prefix: str
    manifest: Manifest

    def read(self, path: str) -> bytes:
        """Read one file, checked against its size and sha256. Raises BadData naming the file if they differ."""
        raise NotImplementedError

    def rows(self, path: str, row_type: type[Row]) -> list[Row]:
        """Read a JSON Lines file of the commit."""
        raise NotImplementedError

    def directory(self, into: Path) -> Path:
        """Copy all files below a local directory, for libraries that want one."""
        raise NotImplementedError


def find(prefix: str) -> Committed | None:
    """The commit at a prefix, or None if it is absent."""
    raise NotImplementedError


def open_committed(prefix: str) -> Committed:
    """The commit at a prefix. Raises MissingInput, naming the prefix, if it is absent."""
    raise NotImplementedError
