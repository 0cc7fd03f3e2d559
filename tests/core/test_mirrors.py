"""A mirror holds exactly the model's bytes, in pieces that fit in memory, on either kind of store."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from components.core import layout, mirrors, store
from components.core.errors import BadData, MissingInput
from components.core.mirrors import MirroredFile, MirrorRequest, MirrorResult
from components.core.model_files import chosen
from tests.core.mirrored import COMMIT, FILES, MODEL, mirror, model_directory


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrors, "PIECE_BYTES", 1000)


@pytest.mark.usefixtures("small_pieces")
def test_what_is_copied_from_a_mirror_is_what_was_put_in(store_root: str, tmp_path: Path) -> None:
    """3072 bytes are four pieces of at most 1000, and an empty file is there too; the pickle was not asked for."""
    mirror(store_root, model_directory(tmp_path / "source"))
    there = mirrors.find(store_root, MODEL, COMMIT)
    assert there is not None
    weights = next(file for file in mirrors.result_of(there).files if file.path == "model.safetensors")
    assert weights.pieces == tuple(f"model.safetensors.piece-000{n}" for n in range(4))
    assert [entry.bytes for entry in there.manifest.files if entry.path in weights.pieces] == [1000, 1000, 1000, 72]
    assert weights.sha256 == hashlib.sha256(FILES["model.safetensors"]).hexdigest()

    into = tmp_path / "copy"
    into.mkdir()
    moved: list[int] = []
    mirrors.copy(there, into, progress=moved.append)
    assert {p.relative_to(into).as_posix(): p.read_bytes() for p in into.rglob("*") if p.is_file()} == FILES | {
        "SHA256SUMS": "".join(f"{hashlib.sha256(FILES[p]).hexdigest()}  {p}\n" for p in sorted(FILES)).encode()
    }
    assert sum(moved) == sum(map(len, FILES.values())) == mirrors.result_of(there).bytes


def test_a_file_that_is_not_what_the_hub_says_is_not_committed(file_store: str, tmp_path: Path) -> None:
    source = model_directory(tmp_path)
    request = MirrorRequest(out=f"{layout.models(file_store, MODEL)}/{COMMIT}", model=MODEL, revision=COMMIT)
    with pytest.raises(BadData, match=r"config\.json has sha256 44136fa3.*says 00"):
        mirrors.write(
            request, source, ["config.json"], licence="mit", origin="hub", expected={"config.json": "00" * 32}
        )
    assert store.find(request.out) is None


@pytest.mark.parametrize("path", ["../../escaped.py", "/tmp/escaped.py", "a//b", "a/./b", "a\\b"])
def test_a_mirror_that_points_out_of_its_directory_is_refused(file_store: str, path: str) -> None:
    """Whoever writes to the store chooses which weights are loaded, and not which files of a machine are made."""
    out = f"{layout.models(file_store, MODEL)}/{COMMIT}"
    file = MirroredFile.model_construct(path=path, bytes=3, sha256="0" * 64, pieces=("x",))
    result = MirrorResult.model_construct(licence="mit", origin="hub", files=(file,), on_hub=True)
    with store.Attempt(out, step="mirror") as attempt:
        attempt.write("x", b"bad")
        attempt.commit(MirrorRequest(out=out, model=MODEL, revision=COMMIT), result)
    mirror = mirrors.find(file_store, MODEL, COMMIT)
    assert mirror is not None
    with pytest.raises(BadData, match="something else than a model's weights"):
        mirrors.result_of(mirror)


def test_a_store_knows_which_commits_it_holds(store_root: str, tmp_path: Path) -> None:
    """An attempt that never came to its end is no mirror."""
    source = model_directory(tmp_path)
    for commit in (COMMIT, "f" * 40):
        mirror(store_root, source, commit)
    with store.Attempt(f"{layout.models(store_root, MODEL)}/{'e' * 40}", step="mirror") as attempt:
        attempt.write("config.json", b"{}")
    assert mirrors.revisions(store_root, MODEL) == [COMMIT, "f" * 40]
    assert mirrors.revisions(store_root, "me/others") == []


def test_what_a_mirroring_left_that_died_days_ago_goes_when_the_next_begins(file_store: str, tmp_path: Path) -> None:
    """It may be gigabytes; one that is at work loses nothing, and no committed prefix is swept."""
    prefix = f"{layout.models(file_store, MODEL)}/{COMMIT}"
    orphans = []
    for age_days in (4, 1):
        with store.Attempt(prefix, step="mirror") as attempt:
            attempt.write("config.json", b"{}")
        orphans.append(Path(prefix.removeprefix("file://"), "attempts", attempt.id, "config.json"))
        then = time.time() - age_days * 86_400
        os.utime(orphans[-1], (then, then))
    mirror(file_store, model_directory(tmp_path / "source"))
    assert [orphan.exists() for orphan in orphans] == [False, True]


def test_a_model_of_pickles_alone_is_refused_until_one_is_named() -> None:
    with pytest.raises(MissingInput, match=r"no safetensors.*--include pytorch_model\.bin"):
        chosen(["config.json", "pytorch_model.bin"])
    assert chosen(["config.json", "pytorch_model.bin"], ["*.bin"]) == ["config.json", "pytorch_model.bin"]
    with pytest.raises(MissingInput, match=r"no file matches \*\.pth"):
        chosen(["config.json", "pytorch_model.bin"], ["*.pth"])


def test_a_tokenizer_can_be_taken_without_the_weights_beside_it() -> None:
    every = ["config.json", "model.safetensors", "tokenizer.json", "open_clip_model.safetensors"]
    assert chosen(every, only=["*.json"]) == ["config.json", "tokenizer.json"]


def test_of_stable_diffusion_15_its_parts_are_taken_once_each() -> None:
    """The repository as it is on the hub: checkpoints of one file, half precision and pickles lie beside the parts."""
    parts = [
        "safety_checker/model",
        "text_encoder/model",
        "unet/diffusion_pytorch_model",
        "vae/diffusion_pytorch_model",
    ]
    beside = ["v1-5-pruned.safetensors", "v1-5-pruned-emaonly.ckpt", "v1-inference.yaml", ".gitattributes"]
    repository = [
        *(f"{part}{end}" for part in parts for end in (".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin")),
        "unet/diffusion_pytorch_model.non_ema.safetensors", "tokenizer/merges.txt", "tokenizer/vocab.json",
        "model_index.json", "README.md", *beside,
    ]  # fmt: skip
    assert chosen(repository) == sorted(
        ["README.md", "model_index.json", "tokenizer/merges.txt", "tokenizer/vocab.json"]
        + [f"{part}.safetensors" for part in parts]
    )


def test_of_sharded_weights_every_shard_is_taken_and_half_precision_is_not() -> None:
    """Both ways of naming a precision: transformers' after the shard's number, diffusers' before it."""
    whole = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
    half = ["model-00001-of-00002.fp16.safetensors", "model.fp16-00001-of-00002.safetensors"]
    assert chosen([*whole, *half]) == whole
    assert chosen(["model.fp16.safetensors"]) == ["model.fp16.safetensors"]  # there is no other
