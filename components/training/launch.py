"""Start the ranks of one training on this machine, and end them all together.

The step's own process starts them, waits, and commits what rank 0 made; it computes nothing itself. A rank that fails
ends the others, and its error is the step's. A rank dies with the step's process, whatever that was killed by.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from torch.multiprocessing.spawn import ProcessContext, ProcessException, start_processes

from components.core import errors, runner
from components.core.contracts import TrainingRequest, TrainingResult
from components.core.errors import StepError
from components.core.lifeline import die_with_parent
from components.training.ranks import Ranks, gpu_count, require_gpus, together

GRACE_SECONDS = 5.0
"""Time that the other ranks have to end once one has failed; then they are told, and then killed."""

Trained = tuple[TrainingResult, dict[str, bytes]]
"""What a training found, and the files of the new policy by name."""
Training = Callable[[TrainingRequest, Ranks], Trained]


def on_this_machine(train: Training, request: TrainingRequest) -> Trained:
    """Run a training in `request.training.processes` processes.

    Raises BadRequest where GPUs do not suffice; what a rank raised, if it is a StepError; StepError (exit 70, tried
    again) for a rank that was killed; and torch's own error, which holds the traceback, for anything else.
    """
    size = request.training.processes
    require_gpus(size, gpu_count())
    with tempfile.TemporaryDirectory(prefix="ddpo-ranks-") as directory:
        context = start_processes(_be_a_rank, args=(size, train, request, directory), nprocs=size, join=False)
        try:
            while not context.join(grace_period=GRACE_SECONDS):
                continue
        except ProcessException as error:
            raise _why(Path(directory), context, size) or error from None
        finally:  # also where somebody interrupts
            for process in context.processes:
                process.kill()
                process.join()
        return _read(Path(directory))


def _be_a_rank(rank: int, size: int, train: Training, request: TrainingRequest, directory: str) -> None:
    """The whole life of one rank."""
    die_with_parent()
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():  # it ended while this one was being made
        os._exit(128 + signal.SIGKILL)
    runner.log_to_stderr(quiet=rank > 0)
    if sys.platform.startswith("linux"):  # one machine: no name needs to be looked up, and no network asked
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")
    try:
        with together(rank, size, local_rank=rank, meeting=f"file://{directory}/meeting") as ranks:
            trained = train(request, ranks)
        if ranks.leads:
            _write(Path(directory), trained)
    except Exception as error:
        if (foreseen := runner.foreseen(error)) is None:
            raise
        told = {"kind": type(foreseen).__name__, "message": foreseen.message, "hint": foreseen.hint}
        Path(directory, f"error-{rank}.json").write_text(json.dumps(told), encoding="utf-8")
        sys.exit(foreseen.exit_code)


def _why(directory: Path, context: ProcessContext, size: int) -> StepError | None:
    """Why a group of ranks ended: one's own error before a kill, and both before what the others saw of it."""
    for told in sorted(directory.glob("error-*.json")):
        error = json.loads(told.read_text(encoding="utf-8"))
        kind: type[StepError] = getattr(errors, error["kind"])
        return kind(error["message"], hint=error["hint"])
    for rank, process in enumerate(context.processes):
        if (code := process.exitcode or 0) < 0 and code != -signal.SIGTERM:  # that is what the others were told
            name = signal.Signals(-code).name
            return StepError(f"rank {rank} of {size} was killed by {name}", hint="SIGKILL is often memory running out")
    return None


def _write(directory: Path, trained: Trained) -> None:
    result, files = trained
    (directory / "files").mkdir()
    for name, data in files.items():
        (directory / "files" / name).write_bytes(data)
    (directory / "result.json").write_text(result.model_dump_json(), encoding="utf-8")


def _read(directory: Path) -> Trained:
    files = {path.name: path.read_bytes() for path in sorted((directory / "files").iterdir())}
    return TrainingResult.model_validate_json((directory / "result.json").read_bytes()), files
