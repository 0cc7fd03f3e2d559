"""Object storage with one rule: a prefix is whole or absent.

Works on s3:// (boto3: its endpoint, profile and credential chain are the user's) and on file://, with the same
semantics.

1. An attempt writes below `<prefix>/attempts/<uuid>/`; nothing is ever overwritten.
2. `<prefix>/COMMITTED.json` goes last, and only if it is not there yet: `If-None-Match: *` on S3, `os.link` of a
   complete, fsynced temporary file on file://. Exactly one attempt wins.
3. Readers follow COMMITTED.json only, and check size and sha256 of every file they read.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeVar

from pydantic import JsonValue, ValidationError

from components.core import file_objects, software
from components.core.config import Contract, describe
from components.core.contracts import Cost, FileEntry, Manifest, Request, Result, canonical_json
from components.core.errors import BadData, BadRequest, Conflict, MissingInput
from components.core.records import Row, load_rows

log = logging.getLogger(__name__)

MARKER = "COMMITTED.json"
ATTEMPTS = "attempts"
EXPIRED = "EXPIRED.json"
PROBE = "probe.json"


def create(uri: str, data: bytes) -> bool:
    """Write an object only if there is none: True if this call made it, False if it was there (412). Retries on 409."""
    return _objects(uri).create(uri, data)


def read(uri: str) -> bytes:
    """Read one object. Raises MissingInput if it is not there, Unavailable if the service is away."""
    return _objects(uri).read(uri)


def children(uri: str) -> list[str]:
    """Names directly below a prefix (objects and prefixes), sorted; empty if there is nothing."""
    uri = uri.rstrip("/")
    return _objects(uri).children(uri)


def below(uri: str) -> Iterator[tuple[str, int, datetime]]:
    """Every object below a prefix: its path from there, bytes, and when it was written (UTC)."""
    return _objects(uri).below(uri.rstrip("/"))


def delete(uri: str) -> None:
    """Remove an object for good: retention's alone. None there is fine."""
    _objects(uri).delete(uri)


def probe(store: str) -> None:
    """Prove that a store can be written and honours conditional puts (put twice, expect 412).

    Raises BadRequest, saying what to mend: no such bucket, no permission, or no conditional puts.
    """
    store = store.rstrip("/")
    uri, data = f"{store}/{PROBE}", b'{"probe":"whole or absent"}'
    create(uri, data)  # False is fine: an earlier probe's object stays, so no right to delete is needed
    if create(uri, data):
        raise BadRequest(
            f"{store} ignores If-None-Match: two attempts could both commit",
            hint="use a store with conditional puts: AWS S3, or Ceph RGW 16 and newer; or file://",
        )
    if read(uri) != data or PROBE not in children(store):
        raise BadRequest(f"{store} does not give back what was written to {PROBE}", hint="is it a cache, or another's?")


Asked = TypeVar("Asked", bound=Request)


class Attempt:
    """One try at filling a prefix. Use as a context manager; without commit() it leaves only an orphan."""

    def __init__(self, prefix: str, *, step: str) -> None:
        self.prefix = prefix.rstrip("/")
        self.step = step
        self.id = uuid.uuid4().hex
        self._objects = _objects(self.prefix)
        self._files: dict[str, FileEntry] = {}
        self._closed = False
        self._started_at = datetime.now(UTC)
        self._clock = time.monotonic()

    def write(self, path: str, data: bytes) -> None:
        """Write one file of the result, `path` relative to the prefix. Twice the same path is an error."""
        _check_path(path)
        if path in self._files or self._closed:
            raise ValueError(f"{path} is written {'after the commit' if self._closed else 'twice'} at {self.prefix}")
        digest = hashlib.sha256(data)
        self._objects.put(self._uri(path), data, digest.digest())
        self._files[path] = FileEntry(path=path, bytes=len(data), sha256=digest.hexdigest())

    def commit(self, request: Request, result: Result) -> Manifest:
        """Make the prefix whole.

        If another attempt was first: its manifest if it answers the same request, else Conflict.
        """
        if self._closed or request.out.rstrip("/") != self.prefix:
            raise ValueError(f"the attempt at {self.prefix} cannot commit a request for {request.out}, or twice")
        self._closed = True
        manifest = self._manifest(request, result)
        self._objects.flush(self._uri(path) for path in self._files)
        data = manifest.model_dump_json(indent=1).encode()
        if self._objects.create(f"{self.prefix}/{MARKER}", data, staging=self._uri(MARKER + file_objects.STAGED)):
            return manifest
        log.info("%s: another attempt was first", self.prefix)
        return answer_to(request, open_committed(self.prefix))

    def __enter__(self) -> Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is removed: an orphan is evidence, and cleanup is retention's work."""

    def _uri(self, path: str) -> str:
        return f"{self.prefix}/{ATTEMPTS}/{self.id}/{path}"

    def _manifest(self, request: Request, result: Result) -> Manifest:
        files = tuple(self._files[path] for path in sorted(self._files))
        outcome = result.model_dump(mode="json")
        cost = Cost(
            started_at=self._started_at,
            committed_at=datetime.now(UTC),
            seconds=round(time.monotonic() - self._clock, 3),
            bytes_written=sum(file.bytes for file in files),
            peak_memory_mb=_peak_memory_mb(),
        )
        return Manifest(
            step=self.step,
            attempt=self.id,
            request_digest=request.digest(),
            content_digest=content_digest(files, outcome),
            request=request.model_dump(mode="json"),
            result=outcome,
            files=files,
            cost=cost,
            software=software.versions(),
        )


class Committed:
    """A whole prefix, open for reading."""

    def __init__(self, prefix: str, manifest: Manifest) -> None:
        self.prefix = prefix
        self.manifest = manifest
        self._files = {file.path: file for file in manifest.files}

    def read(self, path: str) -> bytes:
        """Read one file, checked against its size and sha256. Raises BadData naming the file if they differ."""
        entry = self._files.get(path)
        if entry is None:
            raise MissingInput(f"{self.prefix} was committed without {path}")
        uri = f"{self.prefix}/{ATTEMPTS}/{self.manifest.attempt}/{path}"
        try:
            data = read(uri)
        except MissingInput:
            if path in self.expired:
                raise MissingInput(
                    f"{path} of {self.prefix} has expired", hint="retention keeps evidence, not trajectories"
                ) from None
            raise BadData(f"{uri} is gone, though its commit lists it") from None
        if len(data) != entry.bytes:
            raise BadData(f"{uri} has {len(data)} bytes, and its commit says {entry.bytes}")
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise BadData(f"{uri} is corrupt: its sha256 is not that of its commit")
        return data

    def asked(self, kind: type[Asked]) -> Asked:
        """The request that this commit answers. Raises BadData if this release cannot read it."""
        try:
            return kind.model_validate(self.manifest.request)
        except ValidationError as error:
            raise BadData(
                f"{self.prefix} was written by another release of this project: {describe(error)}",
                hint="use that release for it",
            ) from None

    @functools.cached_property
    def expired(self) -> frozenset[str]:
        """Files of this commit that retention may have removed."""
        try:
            return frozenset(Expired.model_validate_json(read(f"{self.prefix}/{EXPIRED}")).files)
        except MissingInput:
            return frozenset()

    def rows(self, path: str, row_type: type[Row]) -> list[Row]:
        """Read a JSON Lines file of the commit."""
        return load_rows(self.read(path), row_type, source=f"{self.prefix}: {path}")

    def directory(self, into: Path) -> Path:
        """Copy all files below a local directory, for libraries that want one."""
        for path in self._files:
            target = into / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.read(path))
        return into


def find(prefix: str) -> Committed | None:
    """The commit at a prefix, or None if it is absent."""
    prefix = prefix.rstrip("/")
    try:
        data = read(f"{prefix}/{MARKER}")
    except MissingInput:
        return None
    try:
        manifest = Manifest.model_validate_json(data)
        for file in manifest.files:
            _check_path(file.path)
    except (ValidationError, BadRequest) as error:
        raise BadData(f"{prefix}/{MARKER} is not a manifest: {str(error).splitlines()[0]}") from None
    return Committed(prefix, manifest)


def open_committed(prefix: str) -> Committed:
    """The commit at a prefix. Raises MissingInput, naming the prefix, if it is absent."""
    committed = find(prefix)
    if committed is None:
        raise MissingInput(f"nothing is committed at {prefix}", hint="did the step before this one run?")
    return committed


def answer_to(request: Request, committed: Committed) -> Manifest:
    """The manifest of a commit, if it answers this request. Raises Conflict if it answers another."""
    manifest = committed.manifest
    if manifest.request_digest != request.digest() and not _asks_the_same(manifest.request, request):
        raise Conflict(f"{committed.prefix} is committed, from another request", hint="a new run id is a new prefix")
    return manifest


def _asks_the_same(stored: dict[str, JsonValue], request: Request) -> bool:
    """Whether a request of an older release is this one: a key that came later has its default there."""
    try:
        return type(request).model_validate(stored) == request
    except ValidationError:
        return False


def content_digest(files: Iterable[FileEntry], result: dict[str, JsonValue]) -> str:
    """sha256 over the files' paths and sha256s and the result: no times, no attempt ids."""
    content = {"files": sorted([file.path, file.sha256] for file in files), "result": result}
    return hashlib.sha256(canonical_json(content)).hexdigest()


class Expired(Contract):
    """EXPIRED.json: which files of a commit retention removes. Created before the first of them goes."""

    files: tuple[str, ...]
    reason: str


class _Objects(Protocol):
    """What a store is made of; `file_objects` and `s3_objects` are it."""

    def create(self, uri: str, data: bytes, *, staging: str | None = None) -> bool: ...
    def put(self, uri: str, data: bytes, sha256: bytes) -> None: ...
    def flush(self, uris: Iterable[str]) -> None: ...
    def read(self, uri: str) -> bytes: ...
    def children(self, uri: str) -> list[str]: ...
    def below(self, uri: str) -> Iterator[tuple[str, int, datetime]]: ...
    def delete(self, uri: str) -> None: ...


def _objects(uri: str) -> _Objects:
    """The implementation behind a URI, once the URI is fit to be used."""
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme not in ("file", "s3"):
        raise BadRequest(f"{uri!r} is not a store's URI", hint="write s3://bucket/prefix or file:///absolute/path")
    if scheme == "file":
        _check_parts(uri, file_objects.path_of(uri).as_posix().partition("/")[2])
        _check_parts(uri, rest.removeprefix("/"))
        return file_objects
    _check_parts(uri, rest)
    from components.core import s3_objects  # boto3 takes half a second, and a laptop's file:// run needs none

    return s3_objects


def _check_parts(uri: str, path: str) -> None:
    if any(part in ("", ".", "..") for part in path.split("/")) or "\\" in path or not path.isprintable():
        raise BadRequest(f"{uri!r} has an empty part, a dot part, a backslash or a control character")


def _check_path(path: str) -> None:
    if path.startswith("/"):
        raise BadRequest(f"{path!r} must be relative to its prefix")
    _check_parts(path, path)


def _peak_memory_mb() -> float:
    """Peak resident memory so far of this process, or of the largest that it started and waited for; 0: not known."""
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(peak / (1024**2 if sys.platform == "darwin" else 1024), 1)  # macOS counts bytes, Linux KiB
