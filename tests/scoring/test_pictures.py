"""Pictures of a shard come in order, checked, and decoded before they are asked for."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from components.core import store
from components.core.errors import BadData
from components.core.records import SampleRow
from components.scoring.pictures import read_pictures
from tests.scoring.shards import commit_shard, encode, noise


def test_a_batch_is_decoded_while_the_scorers_are_busy_with_the_one_before(
    file_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Holding batch 0 of 2 pictures, pictures 2 and 3 are read all the same, and 4 is not: it would fill the memory."""
    shard = store.open_committed(commit_shard(file_store, [noise(i) for i in range(5)]))
    samples = shard.rows("samples.jsonl", SampleRow)
    read, pictures_read = shard.read, threading.Semaphore(0)

    def counted(path: str) -> bytes:
        pictures_read.release()
        return read(path)

    monkeypatch.setattr(type(shard), "read", lambda self, path: counted(path))
    batches = read_pictures(shard, samples, 2)
    rows, _ = next(batches)
    assert [row.index for row in rows] == [0, 1]
    for _ in range(4):
        assert pictures_read.acquire(timeout=20)
    assert not pictures_read.acquire(timeout=0.1)
    assert [[row.index for row in rows] for rows, _ in batches] == [[2, 3], [4]]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
def test_every_picture_comes_once_in_order_with_its_row(file_store: str, size: int) -> None:
    drawn = [noise(i) for i in range(5)]
    shard = store.open_committed(commit_shard(file_store, drawn))
    samples = shard.rows("samples.jsonl", SampleRow)
    got: list[Any] = [pair for rows, ps in read_pictures(shard, samples, size) for pair in zip(rows, ps, strict=True)]
    assert [row for row, _ in got] == samples
    assert [picture.tobytes() for _, picture in got] == [picture.tobytes() for picture in drawn]


def test_a_wrong_picture_of_a_later_batch_ends_it_there(file_store: str) -> None:
    spoilt = commit_shard(
        file_store,
        [noise(i) for i in range(4)],
        spoil=lambda path, data: encode(noise(9)) if "a-cat-003" in path else data,
    )
    shard = store.open_committed(spoilt)
    batches = read_pictures(shard, shard.rows("samples.jsonl", SampleRow), 2)
    assert [row.index for row in next(batches)[0]] == [0, 1]
    with pytest.raises(BadData, match="a-cat-003"):
        next(batches)


def test_an_empty_shard_has_no_batch(file_store: str) -> None:
    shard = store.open_committed(commit_shard(file_store, [noise(0)]))
    assert list(read_pictures(shard, [], 2)) == []
