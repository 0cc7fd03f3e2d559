"""Everything that is committed below a run, read once and checked byte by byte: what `verify` reasons about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pydantic import ValidationError

from components.core import store
from components.core.config import describe
from components.core.contracts import (
    REQUESTS,
    RESULTS,
    Manifest,
    Request,
    Result,
    StartRequest,
    StartResult,
    StepName,
    canonical_json,
)
from components.core.errors import BadData, MissingInput
from components.core.layout import RunLayout
from components.core.records import PromptRow, SampleRow, load_rows
from components.core.store import Committed


@dataclass
class RunContents:
    """What was found, by path relative to the run: a run that was copied elsewhere is still whole."""

    run: RunLayout
    files: int = 0
    size: int = 0
    expired: int = 0
    problems: list[str] = field(default_factory=list)
    requests: dict[str, Request] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    prompts: dict[str, list[PromptRow]] = field(default_factory=dict)
    samples: dict[str, list[SampleRow]] = field(default_factory=dict)

    def path(self, uri: str) -> str:
        """Path below the run of a URI of this run, here or where the run was made."""
        for root in (self.run.uri, self.requests[""].out if "" in self.requests else self.run.uri):
            if uri == root or uri.startswith(f"{root}/"):
                return uri[len(root) :].strip("/")
        return uri

    def read_commit(self, prefix: str) -> None:
        """Read one commit and everything it lists."""
        path = self.path(prefix)
        try:
            committed = store.open_committed(prefix)
        except BadData as error:
            self.problems.append(str(error))
            return
        self.problems.extend(_digest_problems(path, committed.manifest))
        try:
            self._understand(path, committed.manifest)
        except ValidationError as error:
            self.problems.append(f"{path or 'the run'}: its manifest is no {error.title}: {describe(error)}")
        self._read_files(path, committed)

    def _understand(self, path: str, manifest: Manifest) -> None:
        """Keep the request and the result, if they are a step's; the plans' belong to whoever planned."""
        request_type: type[Request] | None = StartRequest if manifest.step == "start" else None
        result_type: type[Result] = StartResult
        if manifest.step in set(StepName):
            request_type, result_type = REQUESTS[StepName(manifest.step)], RESULTS[StepName(manifest.step)]
        if request_type is not None:
            self.requests[path] = request_type.model_validate(manifest.request)
            self.results[path] = result_type.model_validate(manifest.result)

    def _read_files(self, path: str, committed: Committed) -> None:
        paths = [file.path for file in committed.manifest.files]
        with ThreadPoolExecutor(max_workers=8) as readers:  # a store answers in milliseconds; there are many files
            for name, data in zip(paths, readers.map(lambda name: _read(committed, name), paths), strict=True):
                self.files += 1
                if data is None:
                    self.expired += 1
                    continue
                if isinstance(data, BadData):
                    self.problems.append(str(data))
                    continue
                self.size += len(data)
                self._keep_rows(path, name, data)

    def _keep_rows(self, path: str, name: str, data: bytes) -> None:
        try:
            if name == "prompts.jsonl":
                self.prompts[path] = load_rows(data, PromptRow, source=f"{path}: {name}")
            elif name == "samples.jsonl":
                self.samples[path] = load_rows(data, SampleRow, source=f"{path}: {name}")
        except BadData as error:
            self.problems.append(str(error))


def find_commits(run_uri: str) -> tuple[list[str], int]:
    """Every committed prefix from the run downwards, and the number of attempts that committed nothing."""
    prefixes, orphans, pending = [], 0, [run_uri]
    while pending:
        prefix = pending.pop()
        names = store.children(prefix)
        if store.MARKER in names:
            prefixes.append(prefix)
        if store.ATTEMPTS in names:
            orphans += len(store.children(f"{prefix}/{store.ATTEMPTS}")) - (store.MARKER in names)
        below = [name for name in names if name != store.ATTEMPTS and not name.endswith(".json")]
        pending.extend(f"{prefix}/{name}" for name in reversed(below))
    return prefixes, max(orphans, 0)


def _read(committed: Committed, name: str) -> bytes | BadData | None:
    """A file; what is wrong with it; or None where retention removed it."""
    try:
        return committed.read(name)
    except BadData as error:
        return error
    except MissingInput:
        return None


def _digest_problems(path: str, manifest: Manifest) -> Iterator[str]:
    where = path or "the run"
    if hashlib.sha256(canonical_json(manifest.request)).hexdigest() != manifest.request_digest:
        yield f"{where}: the request digest is not that of its request"
    if store.content_digest(manifest.files, manifest.result) != manifest.content_digest:
        yield f"{where}: the content digest is not that of its files and result"
    if not str(manifest.request.get("out", "")).rstrip("/").endswith(path):
        yield f"{where}: was committed for another prefix, {manifest.request.get('out')}"
