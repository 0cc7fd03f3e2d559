"""Presets: the runs that people start, each a whole TOML file in dags/presets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.core.config import RunConfig, apply_override, load_config, parse_config
from dags.pipeline import bundled


def names() -> list[str]:
    """Names of the presets."""
    return bundled.names("presets")


def path(preset: str) -> Path:
    """File of a preset; a path to a TOML file of one's own is taken as it is."""
    return bundled.path("presets", preset)


def about(preset: str) -> str:
    """First sentence of a preset's opening comment."""
    lines = []
    for line in path(preset).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines).partition(". ")[0].rstrip(".")


def resolve(
    preset: str, overrides: Iterable[str] = (), *, iterations: int | None = None, seed: int | None = None
) -> RunConfig:
    """The config that a preset and a few changes make. Raises BadRequest naming what is wrong."""
    changes = list(overrides)
    if iterations is not None:
        changes.append(f"iterations={iterations}")
    if seed is not None:
        changes.append(f"seed={seed}")
    return load_config(path(preset), tuple(changes))


def changed(config: RunConfig, overrides: Iterable[str], *, iterations: int | None = None) -> RunConfig:
    """Another run's config with a few changes. Raises BadRequest naming what is wrong."""
    tree: dict[str, Any] = config.model_dump(mode="json")
    for override in (*overrides, *([f"iterations={iterations}"] if iterations is not None else [])):
        apply_override(tree, override)
    return parse_config(tree, source="the changed config")
