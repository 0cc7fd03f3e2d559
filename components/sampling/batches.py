"""Which rows a shard draws, and in which batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def shard_rows(rows: Sequence[T], shard: int, shards: int) -> list[T]:
    """The rows of one shard: contiguous, in order, sizes differing by at most one.

    >>> [shard_rows(range(7), s, 3) for s in range(3)]
    [[0, 1], [2, 3], [4, 5, 6]]
    """
    return list(rows[len(rows) * shard // shards : len(rows) * (shard + 1) // shards])


def padded_batches(rows: Sequence[T], size: int) -> Iterator[tuple[list[T], int]]:
    """Batches of one fixed size, and how many of each are real.

    The last is padded by repeating its own first row: another batch shape is another kernel, and a last bit more or
    less would make a picture depend on the number of shards.

    >>> list(padded_batches([1, 2, 3], 2))
    [([1, 2], 2), ([3, 3], 1)]
    """
    for start in range(0, len(rows), size):
        batch = list(rows[start : start + size])
        yield batch + [batch[0]] * (size - len(batch)), len(batch)
