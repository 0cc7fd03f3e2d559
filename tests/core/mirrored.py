"""A small model in a directory, and a store that mirrors it: bytes only, nothing that anybody could load."""

from __future__ import annotations

from pathlib import Path

from components.core import layout, mirrors
from components.core.contracts import Manifest
from components.core.mirrors import MirrorRequest
from components.core.model_files import chosen

MODEL, COMMIT = "me/animals", "0123456789" * 4
FILES = {
    "README.md": b"---\nlicense: apache-2.0\n---\n# Animals\n",
    "config.json": b"{}",
    "model.safetensors": bytes(range(256)) * 12,
    "tokenizer/vocab.txt": b"",
}


def model_directory(path: Path) -> Path:
    """Write it; a pickle lies beside it."""
    for name, data in {**FILES, "pytorch_model.bin": b"pickle"}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def mirror(
    store_uri: str,
    directory: Path,
    commit: str = COMMIT,
    *,
    model: str = MODEL,
    include: tuple[str, ...] = (),
    on_hub: bool = True,
) -> Manifest:
    """Commit it."""
    paths = chosen((p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()), include)
    request = MirrorRequest(out=f"{layout.models(store_uri, model)}/{commit}", model=model, revision=commit)
    return mirrors.write(request, directory, paths, licence="apache-2.0", origin="a test", on_hub=on_hub)
