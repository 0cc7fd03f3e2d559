"""The processes that train one iteration together: what each has to say to the others.

Every rank holds the same adapter and the same optimiser state, and takes the same updates; each adds the gradient of
the pairs whose trajectories it has read. One process is a group of one, and says nothing.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from components.core.errors import BadRequest

PATIENCE = datetime.timedelta(minutes=30)
"""How long a rank waits for the others in one exchange: where one hangs. One that died is noticed at once."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Ranks:
    """This process's place among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Rank 0 alone writes."""
        return self.rank == 0

    def mine(self, shards: Sequence[Item]) -> list[tuple[int, Item]]:
        """The shards that this rank reads, each with its number among all.

        >>> Ranks(1, 2).mine(["a", "b", "c", "d"])
        [(1, 'b'), (3, 'd')]
        """
        return list(enumerate(shards))[self.rank :: self.size]

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum over the ranks."""
        return self._reduced(tensor, dist.ReduceOp.SUM)

    def max(self, tensor: Tensor) -> Tensor:
        """Largest over the ranks; NaN where any is."""
        unknown = self.sum(tensor.isnan().float()) > 0
        return self._reduced(tensor.nan_to_num(), dist.ReduceOp.MAX).masked_fill(unknown, float("nan"))

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every rank the sum of all gradients, in one exchange. A rank that had no pairs adds 0."""
        if self.size == 1:
            return
        whole = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
        dist.all_reduce(whole)
        for parameter, gradient in zip(parameters, whole.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = gradient.view_as(parameter).clone()

    def send(self, tensor: Tensor, rank: int, device: torch.device) -> None:
        """Give a tensor to another rank, which receives it. Bytes travel: not every backend knows every dtype."""
        dist.send(tensor.contiguous().view(torch.uint8).to(device), rank)

    def receive(self, like: Tensor, count: int, rank: int, device: torch.device) -> Tensor:
        """Take from another rank `count` rows such as those of `like`, which has at least one dimension more."""
        rows = torch.empty((count, *like.shape[1:]), dtype=like.dtype)
        received = rows.view(torch.uint8).to(device)
        dist.recv(received, rank)
        return received.cpu().view(like.dtype)

    def from_first(self, value: Item) -> Item:
        """Rank 0's value: clocks and stores differ from moment to moment, and ranks must not."""
        if self.size == 1:
            return value
        said = [value]
        dist.broadcast_object_list(said, src=0)
        return said[0]

    def require_one(self, what: str, value: str) -> None:
        """Refuse to go on where ranks differ in what must be equal: nobody knows why, so that it is tried again."""
        if self.size == 1:
            return
        values: list[str | None] = [None] * self.size
        dist.all_gather_object(values, value)
        if len(set(values)) > 1:
            raise RuntimeError(f"{self.size} ranks ended with {len(set(values))} {what}: {values}")

    def _reduced(self, tensor: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
        if self.size > 1:
            tensor = tensor.clone()
            dist.all_reduce(tensor, operation)
        return tensor


SOLO = Ranks()
"""One process on its own."""


@contextmanager
def together(rank: int, size: int, *, local_rank: int, meeting: str = "env://") -> Iterator[Ranks]:
    """Inside, this process is one of several: NCCL between GPUs, gloo between CPUs.

    `meeting` is where the ranks find one another: a file:// URL, or the variables that torchrun has set.
    """
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // size))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, init_method=meeting, rank=rank, world_size=size, timeout=PATIENCE)
    yield Ranks(rank, size)
    dist.destroy_process_group()  # not after an error: the others may never answer, and the process ends anyway


def under_torchrun() -> bool:
    """Whether torchrun, or what speaks its language, started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def joined(processes: int) -> Iterator[Ranks]:
    """Inside, this process is the rank that torchrun says. Raises BadRequest if it says another number than asked."""
    size, here = int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_WORLD_SIZE", os.environ["WORLD_SIZE"]))
    if size != processes:
        raise BadRequest(
            f"torchrun started {size} processes, and training.processes = {processes}",
            hint="the two must be equal: the config is part of what is asked",
        )
    require_gpus(here, gpu_count())
    rank = int(os.environ["RANK"])
    with together(rank, size, local_rank=int(os.environ.get("LOCAL_RANK", rank))) as ranks:
        yield ranks


def gpu_count() -> int:
    """GPUs that this process may use; 0 trains on the CPU."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def require_gpus(processes: int, gpus: int) -> None:
    """Raise BadRequest where there are GPUs, but not one for each process of this machine."""
    if 0 < gpus < processes:
        raise BadRequest(
            f"training.processes = {processes} needs as many GPUs, and this machine shows {gpus}",
            hint=f"set training.processes = {gpus}, or give the step more: resources.training.gpus = {processes}",
        )
