"""Weights reach a volume complete and right, or not at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "infra" / "helm" / "ddpo" / "files" / "fetch_weights.py"
UNET, INDEX = b"u" * 100_000, b'{"_class_name": "StableDiffusionPipeline"}'
LIST = {"sd15/unet/model.safetensors": UNET, "sd15/model_index.json": INDEX}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def listed(s3_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of two files that are in the store."""
    monkeypatch.setenv("DDPO_STORE", s3_store)
    for path, data in LIST.items():
        upload(s3_store, path, data)
    file = tmp_path / "weights.sha256"
    file.write_text("".join(f"{sha256(data)}  {path}\n" for path, data in LIST.items()))
    return file


def upload(store: str, path: str, data: bytes) -> None:
    bucket, _, prefix = store.removeprefix("s3://").partition("/")
    boto3.session.Session().client("s3").put_object(Bucket=bucket, Key=f"{prefix}/models/{path}", Body=data)


def fetch(listed: Path, into: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--list", str(listed), "--into", str(into)]
    return subprocess.run(command, env=dict(os.environ), text=True, capture_output=True)


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_what_is_listed_is_copied_and_checked_by_sha256sum_too(listed: Path, tmp_path: Path) -> None:
    into = tmp_path / "models"
    assert fetch(listed, into).returncode == 0
    assert files(into) == LIST
    check = ["sha256sum", "--check", "--strict", "--quiet", str(listed)]
    assert subprocess.run(check, cwd=into, capture_output=True).returncode == 0
    (into / "sd15/model_index.json").write_bytes(INDEX + b" ")
    assert subprocess.run(check, cwd=into, capture_output=True).returncode == 1


def test_what_is_there_stays_and_what_is_damaged_is_copied_again(listed: Path, tmp_path: Path) -> None:
    into = tmp_path / "models"
    fetch(listed, into)
    before = (into / "sd15/unet/model.safetensors").stat().st_ino
    (into / "sd15/model_index.json").write_bytes(b"{}")
    done = fetch(listed, into)
    assert done.stdout.splitlines() == [
        "sd15/unet/model.safetensors: there already",
        "sd15/model_index.json: 42 bytes, checked",
    ]
    assert files(into) == LIST
    assert (into / "sd15/unet/model.safetensors").stat().st_ino == before


def test_a_file_that_is_not_what_the_list_says_never_arrives(listed: Path, s3_store: str, tmp_path: Path) -> None:
    upload(s3_store, "sd15/unet/model.safetensors", b"another's")
    done = fetch(listed, tmp_path / "models")
    assert done.returncode == 65
    assert sha256(b"another's") in done.stderr
    assert files(tmp_path / "models") == {}


def test_a_missing_file_is_named(listed: Path, tmp_path: Path) -> None:
    with listed.open("a") as file:
        file.write(f"{'0' * 64}  sd15/vae/model.safetensors\n")
    done = fetch(listed, tmp_path / "models")
    assert done.returncode == 66
    assert "models/sd15/vae/model.safetensors" in done.stderr


@pytest.mark.parametrize(
    "line", ["0" * 64 + "  ../../etc/cron.d/x", "0" * 64 + "  /etc/x", "abc  sd15/x", "0" * 64 + " x"]
)
def test_a_list_cannot_lead_out_of_the_volume(listed: Path, tmp_path: Path, line: str) -> None:
    listed.write_text(line + "\n")
    assert fetch(listed, tmp_path / "models").returncode == 64


def test_the_store_must_be_named(listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPO_STORE", "file:///tmp")
    assert fetch(listed, tmp_path / "models").returncode == 64
