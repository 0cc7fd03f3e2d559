"""Bring a model's weights into the store, from the hub or from a directory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.core import hub, layout, mirrors, store, weights
from components.core.errors import BadRequest, MissingInput
from components.core.mirrors import MirrorRequest, MirrorResult
from components.core.model_files import PIPELINE, chosen
from dags.pipeline.estimate import size

Counter = Callable[[int], mirrors.Progress]
"""Told how many bytes there will be; answers with what is told of those that have moved."""
Choice = Callable[[Iterable[str]], list[str]]
"""Which files of a model are taken."""


@dataclass(frozen=True)
class Mirrored:
    """A model that the store has."""

    model: str
    revision: str
    prefix: str
    result: MirrorResult
    new: bool
    """False where it was there already."""


@dataclass(frozen=True)
class _Source:
    """Files that can be mirrored."""

    revision: str
    directory: Path
    paths: list[str]
    licence: str | None
    origin: str
    on_hub: bool
    sha256: dict[str, str | None]


def mirror(
    store_uri: str,
    target: str,
    *,
    directory: Path | None = None,
    licence: str | None = None,
    include: Sequence[str] = (),
    only: Sequence[str] = (),
    counter: Counter = lambda total: lambda count: None,
) -> Mirrored:
    """Put `owner/name@commit` into the store, unless it is there.

    Raises BadRequest where no commit or no licence is known, MissingInput where the hub is out of reach or a file is
    not there, BadData where a file is not what its origin says.
    """
    model, _, revision = target.partition("@")
    if weights.HUB_ID.fullmatch(model) is None or (revision and directory and not weights.is_pinned(revision)):
        raise BadRequest(f"{target!r} is not owner/name@commit", hint="a commit has 40 digits from 0 to f")
    if weights.is_pinned(revision) and (there := mirrors.find(store_uri, model, revision)):
        return _as_it_is(there, model, revision, [*include, *only])
    wanted = functools.partial(chosen, include=include, only=only)
    source = _directory(directory, revision, wanted) if directory else _hub(model, revision, wanted)
    if there := mirrors.find(store_uri, model, source.revision):
        return _as_it_is(there, model, source.revision, [*include, *only])
    known = licence or source.licence
    if not known:
        raise BadRequest(f"no model card says under which licence {model} is", hint="say it: --licence NAME")
    prefix = f"{layout.models(store_uri, model)}/{source.revision}"
    store.probe(store_uri)  # before gigabytes travel
    moved = counter(sum((source.directory / path).stat().st_size for path in source.paths))
    manifest = mirrors.write(
        MirrorRequest(out=prefix, model=model, revision=source.revision), source.directory, source.paths,
        licence=known, origin=source.origin, on_hub=source.on_hub, expected=source.sha256, progress=moved,
    )  # fmt: skip
    return Mirrored(model, source.revision, prefix, MirrorResult.model_validate(manifest.result), new=True)


def said(mirrored: Mirrored) -> str:
    """For people: what the store has, and the lines of a config that use it."""
    result = mirrored.result
    lines = [
        f"{mirrored.model}@{mirrored.revision} {'is mirrored' if mirrored.new else 'was mirrored already'}: "
        f"{len(result.files)} files, {size(result.bytes)}, licence {result.licence}, from {result.origin}",
        f"in {mirrored.prefix}",
    ]
    if any(file.path == PIPELINE for file in result.files):
        lines += ["", "[base]", f'model = "{mirrored.model}"', f'revision = "{mirrored.revision}"']
    return "\n".join(lines)


def _as_it_is(there: store.Committed, model: str, revision: str, asked: Sequence[str]) -> Mirrored:
    for pattern in asked:
        mirrors.require_file(there, pattern)
    return Mirrored(model, revision, there.prefix, mirrors.result_of(there), new=False)


def _directory(directory: Path, revision: str, wanted: Choice) -> _Source:
    place = directory.expanduser()
    if not place.is_dir():
        raise MissingInput(f"no directory at {directory}")
    weights.require_right(place)
    every = (path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
    paths = wanted(path for path in every if path != mirrors.SUMS)
    return _Source(
        revision=revision or mirrors.content_revision(place, paths),
        directory=place,
        paths=paths,
        licence=hub.licence_in(place),
        origin=place.absolute().as_uri(),
        on_hub=bool(revision),
        sha256={},
    )


def _hub(model: str, revision: str, wanted: Choice) -> _Source:
    listing = hub.listing(model, revision or None)
    if listing is None:
        raise MissingInput(
            f"the hub is out of reach from here, or huggingface_hub is not installed: {model} cannot be fetched",
            hint="fetch it on another machine, and mirror the directory: --from DIR",
        )
    if not weights.is_pinned(revision):
        shown = revision or "main"
        raise BadRequest(
            f"{shown!r} of {model} can move, and a mirror is of one commit",
            hint=f"{shown} is now {model}@{listing.revision}",
        )
    paths = wanted(listing.sha256)
    return _Source(
        revision=listing.revision,
        directory=hub.download(listing, paths),
        paths=paths,
        licence=listing.licence,
        origin=listing.origin,
        on_hub=True,
        sha256=listing.sha256,
    )
