"""Weights come from where they are, are what their sha256 says, or are not had at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.core import base_model, store, weights
from components.core.config import BaseModelConfig
from components.core.deployment import STORE_VARIABLE
from components.core.errors import BadData, MissingInput, Unavailable
from tests.core.mirrored import COMMIT, FILES, MODEL, mirror, model_directory


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of its own: no hub, no cache."""
    place = tmp_path / "models"
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(place))
    monkeypatch.setenv("DDPO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    weights.require_right.cache_clear()
    return place


@pytest.fixture
def mirrored(store_root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with one mirror."""
    monkeypatch.setenv(STORE_VARIABLE, store_root)
    mirror(store_root, model_directory(tmp_path / "source"))
    return store_root


@pytest.mark.usefixtures("mirrored")
def test_a_mirror_is_copied_once_and_serves_without_the_store_from_then_on(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = weights.directory(MODEL, COMMIT)
    assert place == models / "me--animals" / COMMIT
    assert {name: (place / name).read_bytes() for name in FILES} == FILES
    monkeypatch.setattr(store, "find", None)
    assert weights.directory(MODEL, COMMIT, holds="model.safetensors") == place


def test_a_changed_byte_in_the_store_is_refused_and_leaves_nothing(
    file_store: str, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORE_VARIABLE, file_store)
    mirror(file_store, model_directory(tmp_path / "source"))
    (stored,) = Path(file_store.removeprefix("file://")).rglob("model.safetensors")
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    with pytest.raises(BadData, match=r"model\.safetensors is corrupt"):
        weights.directory(MODEL, COMMIT)
    assert not (models / "me--animals" / COMMIT).exists()


@pytest.mark.usefixtures("mirrored")
def test_a_changed_byte_on_this_machine_is_refused_by_the_next_process() -> None:
    place = weights.directory(MODEL, COMMIT)
    (place / "config.json").write_text("[]")
    weights.require_right.cache_clear()
    with pytest.raises(BadData, match=r"config\.json has changed.*delete the directory"):
        weights.directory(MODEL, COMMIT)


def test_processes_that_start_at_once_copy_once_and_one_that_was_killed_is_no_hindrance(
    file_store: str, models: Path, tmp_path: Path
) -> None:
    mirror(file_store, model_directory(tmp_path / "source"))
    (models / "me--animals" / f".{COMMIT}.partial" / "half").mkdir(parents=True)
    environment = os.environ | {STORE_VARIABLE: file_store}
    command = [sys.executable, "-m", "components.core.weights", f"{MODEL}@{COMMIT}"]
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert {process.communicate()[0].strip() for process in started} == {str(models / "me--animals" / COMMIT)}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert {p.name for p in (models / "me--animals").iterdir()} == {COMMIT, f".{COMMIT}.lock"}


@pytest.mark.usefixtures("mirrored")
def test_a_mirror_without_the_file_that_is_needed_says_so() -> None:
    with pytest.raises(MissingInput, match=r"holds no pytorch_model\.bin.*--include"):
        weights.directory(MODEL, COMMIT, holds="pytorch_model.bin")


def test_without_a_commit_the_only_mirror_serves_and_of_two_neither(
    file_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(STORE_VARIABLE, file_store)
    weights.warn_of_moving.cache_clear()
    mirror(file_store, model_directory(tmp_path / "source"))
    assert weights.directory(MODEL).name == COMMIT
    assert "may be other weights tomorrow" in caplog.text
    mirror(file_store, tmp_path / "source", "f" * 40)
    with pytest.raises(MissingInput, match=f"2 commits of {MODEL}.*{COMMIT}, ffff"):
        weights.directory(MODEL)


def test_what_is_nowhere_is_refused_with_the_command_that_brings_it() -> None:
    with pytest.raises(MissingInput, match=f"hub is out of reach.*`ddpo mirror {MODEL}@{COMMIT}`"):
        weights.directory(MODEL, COMMIT)
    with pytest.raises(MissingInput, match=r"no directory at \./weights"):
        weights.directory("./weights")


def test_a_cache_that_cannot_be_written_is_named(
    file_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORE_VARIABLE, file_store)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "file" / "below"))
    mirror(file_store, model_directory(tmp_path / "source"))
    with pytest.raises(Unavailable, match=r"takes no weights.*DDPO_MODELS names a directory with room"):
        weights.directory(MODEL, COMMIT)


def fill(*names: str) -> subprocess.CompletedProcess[str]:
    """The command that fills a volume; without root's right to write where a mode forbids it."""
    bound = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    command = [*bound, sys.executable, "-m", "components.core.weights", *names]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True)


@pytest.mark.usefixtures("mirrored")
def test_a_damaged_copy_is_made_again_by_who_fills_and_a_right_one_stays(models: Path) -> None:
    name = f"{MODEL}@{COMMIT}"
    assert fill(name).returncode == 0
    before = (models / "me--animals" / COMMIT / "model.safetensors").stat().st_ino
    assert fill(name).stdout.strip() == str(models / "me--animals" / COMMIT)
    assert (models / "me--animals" / COMMIT / "model.safetensors").stat().st_ino == before
    (models / "me--animals" / COMMIT / "config.json").write_text("[]")
    done = fill(name)
    assert (done.returncode, done.stderr.count("config.json has changed")) == (0, 1)
    assert {name: (models / "me--animals" / COMMIT / name).read_bytes() for name in FILES} == FILES


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root writes anywhere")
def test_a_volume_that_cannot_be_written_serves_what_is_there_and_names_what_fills_it(
    mirrored: str, models: Path, tmp_path: Path
) -> None:
    mirror(mirrored, tmp_path / "source", "f" * 40)
    assert fill(f"{MODEL}@{COMMIT}").returncode == 0
    (models / "me--animals" / f".{COMMIT}.lock").unlink()
    for directory in (models, models / "me--animals", models / "me--animals" / COMMIT):
        directory.chmod(0o555)
    assert fill(f"{MODEL}@{COMMIT}").stdout.strip() == str(models / "me--animals" / COMMIT)
    assert [p.name for p in (models / "me--animals").iterdir()] == [COMMIT]
    done = fill(f"{MODEL}@{'f' * 40}")
    assert (done.returncode, done.stderr.count("\n")) == (66, 1)
    assert f"{'f' * 40} is not there, and cannot be written: Permission denied" in done.stderr
    assert f"`python -m components.core.weights {MODEL}@{'f' * 40}`" in done.stderr
    (models / "me--animals" / COMMIT / "config.json").write_text("[]")
    assert fill(f"{MODEL}@{COMMIT}").returncode == 65
    for directory in (models, models / "me--animals", models / "me--animals" / COMMIT):
        directory.chmod(0o755)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs coreutils")
def test_a_volume_with_sums_by_sha256sum_is_checked(tmp_path: Path) -> None:
    """A file that is listed must be right, and one that a library could load must be listed."""
    volume = model_directory(tmp_path / "volume")
    names = " ".join([*FILES, "pytorch_model.bin"])
    subprocess.run(f"sha256sum {names} > SHA256SUMS", shell=True, cwd=volume, check=True)
    assert weights.directory(str(volume)) == volume
    (volume / "adapter.safetensors").write_bytes(b"")
    weights.require_right.cache_clear()
    with pytest.raises(BadData, match=r"adapter\.safetensors is not in SHA256SUMS"):
        weights.directory(str(volume))
    (volume / "adapter.safetensors").unlink()
    (volume / "pytorch_model.bin").unlink()
    with pytest.raises(BadData, match=r"lacks pytorch_model\.bin"):
        weights.directory(str(volume))


def test_a_line_that_is_no_sum_is_refused(tmp_path: Path) -> None:
    volume = model_directory(tmp_path / "volume")
    (volume / "SHA256SUMS").write_text(f"{'0' * 64}  ../../etc/passwd\n")
    with pytest.raises(BadData, match="is not `<sha256>  <path>`"):
        weights.directory(str(volume))


@pytest.mark.usefixtures("mirrored")
def test_a_pinned_model_is_known_by_its_commit_before_and_after_its_weights_are_here() -> None:
    pinned = {"model": MODEL, "revision": COMMIT}
    assert weights.identify(MODEL, COMMIT) == pinned
    weights.directory(MODEL, COMMIT)
    assert weights.identify(MODEL, COMMIT) == pinned
    assert base_model.identify(BaseModelConfig(model=MODEL, revision=COMMIT)) == f"{MODEL}@{COMMIT}"


def test_a_base_can_be_had_elsewhere_where_a_hub_has_it(
    file_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a directory, nor a mirror of one that only its content names."""
    monkeypatch.setenv(STORE_VARIABLE, file_store)
    pinned = BaseModelConfig(model=MODEL, revision=COMMIT)
    assert base_model.published(pinned)  # nothing says otherwise
    mirror(file_store, model_directory(tmp_path / "source"), on_hub=False)
    assert not base_model.published(pinned)
    mirror(file_store, tmp_path / "source", "f" * 40)
    assert base_model.published(pinned.model_copy(update={"revision": "f" * 40}))
    assert not base_model.published(BaseModelConfig(model="tiny"))


def test_a_directory_is_known_by_its_content_alone(tmp_path: Path) -> None:
    first, second = (model_directory(tmp_path / name) for name in ("first", "second"))
    assert weights.identify(str(first)) == weights.identify(str(second))
    (second / "pytorch_model.bin").write_bytes(b"another")
    weights.directory_digest.cache_clear()
    assert weights.identify(str(first)) != weights.identify(str(second))
