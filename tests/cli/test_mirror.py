"""`ddpo mirror`: from a hub or a directory into the store, and from there to a machine that has neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from components.core import mirrors, weights
from components.core.errors import MissingInput
from dags.pipeline.cli import app
from tests.core.hub_server import hub
from tests.core.mirrored import COMMIT, FILES, MODEL, model_directory

LICENCE = {"license": "other", "license_name": "animals-1.0", "license_link": "https://example.org/animals"}
REPOSITORY = {**FILES, "pytorch_model.bin": b"pickle", "onnx/model.onnx": b"other"}


class Machine:
    """The command line and the steps on a machine of its own, with a hub at `endpoint` or with none."""

    def __init__(self, patch: pytest.MonkeyPatch, home: Path, store: str, endpoint: str = "") -> None:
        weights.require_right.cache_clear()
        places = {"DDPO_HOME": home, "DDPO_STORE": store, "DDPO_MODELS": home / "models"}
        for name, value in places.items():
            patch.setenv(name, str(value))
        constants = "huggingface_hub.constants."
        patch.setattr(f"{constants}HF_HUB_OFFLINE", not endpoint)
        patch.setattr(f"{constants}HF_HUB_CACHE", str(home / "huggingface"))
        patch.setattr(f"{constants}HF_HUB_DISABLE_XET", True)
        if endpoint:
            patch.setattr(f"{constants}ENDPOINT", endpoint)
            patch.setattr(
                f"{constants}HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
            )

    def mirror(self, *arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["mirror", *arguments])
        return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, file_store: str) -> Callable[..., Machine]:
    return lambda home, endpoint="": Machine(monkeypatch, home, file_store, endpoint)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with hub(MODEL, COMMIT, REPOSITORY, LICENCE) as address:
        yield address


New = Callable[..., Machine]


def test_from_the_hub_to_the_store_to_a_machine_without_the_hub(machine: New, endpoint: str, tmp_path: Path) -> None:
    """The licence is the model card's, pickles and other runtimes' files stay behind, and twice is once."""
    code, out, err = machine(tmp_path / "online", endpoint).mirror(f"{MODEL}@{COMMIT}")
    assert code == 0, err
    assert f"{MODEL}@{COMMIT} is mirrored: 4 files, 3.1 kB, licence animals-1.0 (https://example.org/animals)" in out
    assert f"from {endpoint}" in out

    offline = machine(tmp_path / "offline")
    assert "was mirrored already" in offline.mirror(f"{MODEL}@{COMMIT}")[1]
    place = weights.directory(MODEL, COMMIT)
    assert {name: (place / name).read_bytes() for name in FILES} == FILES


def test_a_machine_with_the_hub_needs_no_mirror_and_goes_on_without_the_hub(
    machine: New, endpoint: str, tmp_path: Path
) -> None:
    for address in (endpoint, ""):
        machine(tmp_path, address)
        place = weights.directory(MODEL, COMMIT)
        assert {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()} == set(FILES)


def test_a_part_of_a_model_in_the_hubs_cache_is_not_taken_for_the_model(
    machine: New, endpoint: str, tmp_path: Path
) -> None:
    machine(tmp_path, endpoint)
    (weights.directory(MODEL, COMMIT) / "model.safetensors").unlink()
    machine(tmp_path)
    with pytest.raises(MissingInput, match="the hub is out of reach"):
        weights.directory(MODEL, COMMIT)


def test_what_can_move_is_refused_with_the_commit_that_it_is_today(machine: New, endpoint: str, tmp_path: Path) -> None:
    online = machine(tmp_path, endpoint)
    for target in (MODEL, f"{MODEL}@main"):
        code, _, err = online.mirror(target)
        assert (code, f"main is now {MODEL}@{COMMIT}" in err) == (64, True)
    code, _, err = online.mirror(f"me/plants@{COMMIT}")
    assert (code, f"the hub has no me/plants@{COMMIT}" in err) == (66, True)


def test_a_pickle_is_mirrored_where_it_is_asked_for_by_name(
    machine: New, endpoint: str, tmp_path: Path, file_store: str
) -> None:
    assert machine(tmp_path, endpoint).mirror(f"{MODEL}@{COMMIT}", "--include", "*.bin")[0] == 0
    there = mirrors.find(file_store, MODEL, COMMIT)
    assert there is not None
    assert {file.path for file in mirrors.result_of(there).files} == {*FILES, "pytorch_model.bin"}


def test_a_directory_is_pinned_by_its_content_and_says_under_which_licence_it_is(
    machine: New, tmp_path: Path, file_store: str
) -> None:
    """The same files elsewhere are the same commit; without a model card the licence must be said."""
    offline = machine(tmp_path)
    first, second = (model_directory(tmp_path / name) for name in ("first", "second"))
    code, out, _ = offline.mirror(MODEL, "--from", str(first))
    assert code == 0
    assert f"licence apache-2.0, from {first.as_uri()}" in out
    assert "was mirrored already" in offline.mirror(MODEL, "--from", str(second))[1]

    (second / "README.md").unlink()
    code, _, err = offline.mirror(MODEL, "--from", str(second))
    assert (code, "--licence NAME" in err) == (64, True)
    assert offline.mirror(MODEL, "--from", str(second), "--licence", "mit")[0] == 0
    assert len(mirrors.revisions(file_store, MODEL)) == 2


def test_without_a_hub_it_says_what_to_do(machine: New, tmp_path: Path) -> None:
    code, _, err = machine(tmp_path).mirror(f"{MODEL}@{COMMIT}")
    assert (code, "--from DIR" in err, len(err.splitlines())) == (66, True, 1)
