"""TOML files that come with the project, by name: presets and comparisons."""

from __future__ import annotations

from pathlib import Path

from components.core.errors import BadRequest

DAGS = Path(__file__).resolve().parents[1]


def names(folder: str) -> list[str]:
    """Names of the files in a folder of dags/."""
    return sorted(path.stem for path in (DAGS / folder).glob("*.toml"))


def path(folder: str, name: str) -> Path:
    """File of a name; a path to a TOML file of one's own is taken as it is. Raises BadRequest, naming the others."""
    if name.endswith(".toml"):
        return Path(name)
    if name not in (known := names(folder)):
        kind = folder.removesuffix("s")
        raise BadRequest(f"no {kind} {name!r}", hint=f"one of {', '.join(known)}, or the path of a .toml file")
    return DAGS / folder / f"{name}.toml"
