"""What can be said of the images without an engine: the Dockerfile, the locks, the table of steps."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from components.core.contracts import StepName
from images.contents import IMAGES, UID

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "images/Dockerfile"
LOCKS = sorted((ROOT / "images/locks").glob("*.txt"))
PINNED = re.compile(r"^(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>\S+)( \\)?$", re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(text: str) -> dict[str, str]:
    return {found["name"]: found["version"] for found in PINNED.finditer(text)}


def lock(name: str) -> dict[str, str]:
    return pins((ROOT / f"images/locks/{name}.txt").read_text())


def requirements(path: Path) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--format", "json", DOCKERFILE], capture_output=True, text=True)
    assert json.loads(done.stdout) == []
    assert done.returncode == 0


def test_the_default_base_is_pinned_by_digest() -> None:
    (base,) = re.findall(r"^ARG BASE=(.*)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)


def test_the_last_user_is_the_fixed_one() -> None:
    users = re.findall(r"^USER (.*)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert users == [f"{UID}:{UID}"]


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    """.dockerignore shuts everything out and lets the sources of COPY in."""
    text = DOCKERFILE.read_text()
    copied = {
        source.partition("/")[0]
        for sources in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE)
        for source in sources.split()
    } | {source.partition("/")[0] for source in re.findall(r"type=bind,source=([^/,]+/[^,]+)", text)}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_has_the_versions_of_constraints_and_a_hash_for_each(path: Path) -> None:
    """A laptop and an image cannot differ, and a file with other bytes is refused."""
    text = path.read_text()
    constraints = pins((ROOT / "constraints.txt").read_text())
    locked = pins(text)
    assert {name: constraints[name] for name in locked if name in constraints} == {
        name: version for name, version in locked.items() if name in constraints
    }
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(locked)
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks)
    assert "://" not in text


@pytest.mark.parametrize("image", IMAGES)
def test_a_lock_has_what_the_project_asks_for(image: str) -> None:
    """A dependency that was added to pyproject.toml and not locked is missed here: run images/lock.sh."""
    extra = {"cpu": "report"}.get(image, image)
    ours = PROJECT["dependencies"] + PROJECT["optional-dependencies"][extra] if IMAGES[image].packages else []
    asked = [Requirement(line) for line in ours]
    more = ROOT / f"images/requirements/{image}.in"
    asked += requirements(more) if more.exists() else []
    have = lock(image) | (lock("torch-cuda") if "torch" in IMAGES[image].modules else {})
    for wanted in asked:
        assert have.get(canonicalize_name(wanted.name)) in wanted.specifier, wanted


def test_the_airflow_image_has_the_providers_of_the_extra() -> None:
    """One list for laptops, one for the image; here they are the same."""
    providers = {str(wanted) for wanted in requirements(ROOT / "images/requirements/airflow.in")}
    assert set(PROJECT["optional-dependencies"]["containers"]) == {
        wanted for wanted in providers if wanted.startswith("apache-airflow-providers-")
    }


def test_only_the_images_that_need_torch_have_it() -> None:
    for name in IMAGES:
        heavy = [package for package in lock(name) if re.match(r"(torch|triton|nvidia-|cuda-)", package)]
        assert heavy == [], name  # it has a lock and a layer of its own
    assert lock("torch-cuda")["torch"] == pins((ROOT / "constraints.txt").read_text())["torch"]


def test_every_step_runs_in_one_image() -> None:
    assert sorted(step for contents in IMAGES.values() for step in contents.steps) == sorted(StepName)


def test_the_readme_has_the_table_of_steps() -> None:
    page = (ROOT / "images/README.md").read_text()
    rows = dict(re.findall(r"^\| `ddpo-(\w+)` \| ([^|]*) \|", page, re.MULTILINE))
    assert {image: tuple(re.findall(r"\w+", rows[image])) for image in IMAGES if IMAGES[image].steps} == {
        image: contents.steps for image, contents in IMAGES.items() if contents.steps
    }
    assert set(rows) == set(IMAGES)
