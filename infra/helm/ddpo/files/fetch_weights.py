"""Copy weights from <store>/models/ into a volume, each file checked against its sha256.

Reads    s3://<store>/models/<path> for each line `<sha256>  <path>` of the list
Writes   <into>/<path>, complete and right, or not at all
Exit     0 all there; 64 the list or the store's URI is wrong; 65 a file is not what the list says; 66 a file is missing

A file that is there and right is not copied again. Needs boto3 and nothing else of this project.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
from pathlib import Path, PurePosixPath
from typing import NoReturn
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def main() -> None:
    """Be the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", type=Path, required=True, help="lines as sha256sum writes them")
    parser.add_argument("--into", type=Path, required=True, help="directory of the volume")
    arguments = parser.parse_args()
    store = urlsplit(os.environ.get("DDPO_STORE", ""))
    if store.scheme != "s3" or not store.netloc:
        end(64, "DDPO_STORE must be s3://bucket or s3://bucket/prefix")
    objects = boto3.client("s3")
    for sha256, path in wanted(arguments.list):
        target = arguments.into / path
        if target.is_file() and digest(target) == sha256:
            print(f"{path}: there already", flush=True)
            continue
        key = f"{store.path.strip('/')}/models/{path}".lstrip("/")
        fetch(objects, store.netloc, key, target, sha256)
        print(f"{path}: {target.stat().st_size} bytes, checked", flush=True)


def wanted(file: Path) -> list[tuple[str, str]]:
    """Every (sha256, path) of the list."""
    found = []
    for line in filter(None, file.read_text(encoding="utf-8").splitlines()):
        match = LINE.fullmatch(line)
        if match is None or PurePosixPath(match[2]).is_absolute() or ".." in PurePosixPath(match[2]).parts:
            end(64, f"{file}: {line!r} is not `<64 hex digits>  <relative path>`")
        found.append((match[1], match[2]))
    return found


def fetch(objects: object, bucket: str, key: str, target: Path, sha256: str) -> None:
    """Copy one object beside its place, check it, and move it there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        objects.download_file(bucket, key, str(partial))  # type: ignore[attr-defined]
        if (got := digest(partial)) != sha256:
            end(65, f"s3://{bucket}/{key} has sha256 {got}, and the list says {sha256}")
        partial.replace(target)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            end(66, f"there is nothing at s3://{bucket}/{key}: upload it, or take it off the list")
        raise
    finally:
        partial.unlink(missing_ok=True)


def digest(file: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def end(code: int, message: str) -> NoReturn:
    """Say why, and end."""
    print(f"fetch_weights: {message}", file=sys.stderr, flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
