"""Objects on S3 by boto3: the endpoint, profile and credential chain are the user's own.

Only `If-None-Match: *` is used, never If-Match: Ceph's gateway refuses every one of those. No message holds a key, a
token or an endpoint's user name.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import threading
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore import exceptions as s3_errors
from botocore.config import Config
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from components.core.errors import BadRequest, MissingInput, StepError, Unavailable

SCHEME = "s3://"
WRITER = "ddpo-writer"
"""Metadata that names the call which made an object: a repeated request finds itself by it."""

ONE_PUT = 2**30
"""Bytes up to which an object goes in one request. S3 takes 5 GiB at most, and less is sent again after an error."""
PART = 2**26
"""Bytes of a part of a larger one: of 10 000 parts at most."""

AWAY = (
    s3_errors.HTTPClientError,  # refused, reset, timed out, TLS
    s3_errors.ConnectionError,
    s3_errors.IncompleteReadError,
    s3_errors.CredentialRetrievalError,
    s3_errors.MetadataRetrievalError,
    s3_errors.TokenRetrievalError,
)
LATER = {
    "SlowDown",
    "RequestTimeout",
    "ExpiredToken",
    "ExpiredTokenException",
    "BadDigest",
    "XAmzContentSHA256Mismatch",
}
"""Refusals that a later try may not meet: throttling, credentials about to be renewed, bytes damaged on the way."""


STRANGERS = {"SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken", "RequestTimeTooSkewed"}
"""Refusals of who asks, not of what is asked."""


class _Busy(Exception):
    """409: another conditional put of the same key is under way."""


class _Torn(Exception):
    """The connection ended within a body."""


def create(uri: str, data: bytes, *, staging: str | None = None) -> bool:
    """Make an object unless there is one."""
    writer = uuid.uuid4().hex
    with _explained(uri):
        try:
            return _put_if_absent(uri, data, writer)
        except _Busy:
            raise Unavailable(f"{uri} is contended: every try met another's", hint="try again later") from None


def put(uri: str, data: bytes, sha256: bytes) -> None:
    """Write an object under a name that nobody else knows."""
    with _explained(uri):
        if len(data) > ONE_PUT:  # a reader checks the whole against its commit: parts have checksums of their own
            parts = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
            _client().upload_fileobj(io.BytesIO(data), **_address(uri), Config=parts)
            return
        _client().put_object(**_address(uri), Body=data, ChecksumSHA256=base64.b64encode(sha256).decode())


def flush(uris: Iterable[str]) -> None:
    """Nothing to do: S3 answers once an object is durable."""


def read(uri: str) -> bytes:
    """All bytes of an object."""
    with _explained(uri):
        try:
            return _get(uri)
        except _Torn:
            raise Unavailable(f"{uri}: the connection ended within the object") from None


def children(uri: str) -> list[str]:
    """Names directly below, sorted."""
    address = split(uri)
    prefix = f"{address[1]}/" if address[1] else ""
    names: set[str] = set()
    with _explained(uri):
        pages = _client().get_paginator("list_objects_v2").paginate(Bucket=address[0], Prefix=prefix, Delimiter="/")
        for page in pages:
            names.update(item["Prefix"] for item in page.get("CommonPrefixes", ()))
            names.update(item["Key"] for item in page.get("Contents", ()))
    return sorted({name[len(prefix) :].rstrip("/") for name in names if name != prefix})


def below(uri: str) -> Iterator[tuple[str, int, datetime]]:
    """Every object below a prefix: its path from there, bytes, and when it was written (UTC). In order of keys."""
    bucket, key = split(uri)
    prefix = f"{key}/" if key else ""
    with _explained(uri):
        for page in _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                yield item["Key"][len(prefix) :], item["Size"], item["LastModified"]


def delete(uri: str) -> None:
    """Remove an object. None there is fine."""
    with _explained(uri):
        _client().delete_object(**_address(uri))


def split(uri: str) -> tuple[str, str]:
    """Bucket and key."""
    bucket, _, key = uri.removeprefix(SCHEME).partition("/")
    return bucket, key


@retry(
    retry=retry_if_exception_type(_Busy),
    wait=wait_random_exponential(multiplier=0.1, max=2),
    stop=stop_after_attempt(8),
    reraise=True,
)
def _put_if_absent(uri: str, data: bytes, writer: str) -> bool:
    checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
    try:
        _client().put_object(
            **_address(uri), Body=data, ChecksumSHA256=checksum, IfNoneMatch="*", Metadata={WRITER: writer}
        )
    except s3_errors.ClientError as error:
        status = _status(error)
        if status == 412:
            return _made_by(uri, writer)
        if status == 409:
            raise _Busy from error
        raise
    return True


def _made_by(uri: str, writer: str) -> bool:
    """Whether the object that is there is ours after all: boto3 repeats a request whose answer was lost."""
    metadata: dict[str, str] = _client().head_object(**_address(uri)).get("Metadata", {})
    return metadata.get(WRITER) == writer


@retry(
    retry=retry_if_exception_type(_Torn),
    wait=wait_random_exponential(multiplier=0.1, max=2),
    stop=stop_after_attempt(4),
    reraise=True,
)
def _get(uri: str) -> bytes:
    body = _client().get_object(**_address(uri))["Body"]
    try:
        data: bytes = body.read()
    except (s3_errors.IncompleteReadError, s3_errors.HTTPClientError, s3_errors.ConnectionError) as error:
        raise _Torn from error
    return data


def _address(uri: str) -> dict[str, str]:
    bucket, key = split(uri)
    if not key:
        raise BadRequest(f"{uri} names a bucket, not an object")
    return {"Bucket": bucket, "Key": key}


_clients: dict[tuple[Any, ...], Any] = {}
_making = threading.Lock()


def _client() -> Any:
    """The process's client, which threads may share. A fork or another AWS_* environment gets its own."""
    key = (os.getpid(), *sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
    with _making:
        if key not in _clients:
            _clients.clear()
            # Bodies carry their sha256 and are checked by their readers: older gateways refuse boto3's own checksums.
            config = Config(
                connect_timeout=10,
                max_pool_connections=16,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
            _clients[key] = boto3.session.Session().client("s3", config=config)
        return _clients[key]


@contextlib.contextmanager
def _explained(uri: str) -> Iterator[None]:
    """boto3's error as one of ours."""
    try:
        yield
    except s3_errors.ClientError as error:
        raise _of_answer(uri, error) from None
    except AWAY as error:
        raise Unavailable(
            f"{uri}: no answer from S3 ({type(error).__name__})", hint="is AWS_ENDPOINT_URL right, and the service up?"
        ) from None
    except (s3_errors.NoCredentialsError, s3_errors.PartialCredentialsError):
        raise BadRequest(
            f"no complete credentials for {uri}", hint="set AWS_PROFILE, or a key and its secret"
        ) from None
    except (s3_errors.BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is not a URL
        raise BadRequest(
            f"boto3 cannot be used for {uri} ({type(error).__name__})", hint="check AWS_PROFILE, AWS_ENDPOINT_URL"
        ) from None


def _of_answer(uri: str, error: s3_errors.ClientError) -> StepError:
    """What an answer of S3 means."""
    status, code = _status(error), error.response.get("Error", {}).get("Code", "")
    bucket = split(uri)[0]
    if code == "NoSuchBucket":
        return BadRequest(f"there is no bucket {bucket!r} ({uri})", hint="create it, or mend the store's URI")
    if status == 404:
        return MissingInput(f"nothing at {uri}")
    if code in LATER or status == 429 or (status >= 500 and status != 501):
        return Unavailable(f"{uri}: S3 answered {status} {code}")
    if status == 501:
        return BadRequest(f"this S3 endpoint does not know what {uri} needs ({code})", hint="use AWS S3 or Ceph RGW")
    if code in STRANGERS:
        return BadRequest(
            f"S3 does not accept these credentials for {uri} ({code})", hint="check the key, and the clock"
        )
    if status in (401, 403):
        return BadRequest(
            f"no permission for {uri} ({code})", hint=f"grant s3:GetObject, PutObject and ListBucket on {bucket}"
        )
    return BadRequest(f"{uri}: S3 answered {status} {code}")


def _status(error: s3_errors.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
