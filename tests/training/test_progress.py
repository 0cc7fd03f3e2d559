"""A training that is killed goes on where it was: the same bytes as one that nobody disturbed."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import pytest

from components.core import store
from components.core.contracts import StepName, TrainingRequest, TrainingResult
from components.core.runner import run_request
from components.training.average import AVERAGE_FILE
from components.training.evaluator import Evaluator
from components.training.progress import Checkpoints, Progress
from components.training.ranks import Ranks
from components.training.step import train
from tests.training.forked import two_ranks
from tests.training.iteration import small_run

EVERY_MICRO_BATCH = 1e-9
"""Minutes between checkpoints."""
ALL_PASSES = 2 * 3 + 5
"""Forward passes of an undisturbed update: 2 x 40 pairs in batches of 16, and the ratio check, 80 pairs."""


@pytest.fixture
def request_(store_root: str, pipeline_path: Path) -> TrainingRequest:
    return often(small_run(store_root, pipeline_path).draw(0))


def often(request: TrainingRequest, minutes: float = EVERY_MICRO_BATCH) -> TrainingRequest:
    settings = request.training.model_copy(update={"checkpoint_minutes": minutes})
    return request.model_copy(update={"training": settings})


def die_after(checkpoints: int) -> None:
    """From now on this process is killed, as by kill -9, once it has saved so many checkpoints."""
    save, saved = Checkpoints._save, []

    def save_and_die(self: Checkpoints, progress: Progress) -> None:
        save(self, progress)
        saved.append(1)
        if len(saved) == checkpoints:
            os.kill(os.getpid(), signal.SIGKILL)

    Checkpoints._save = save_and_die  # type: ignore[method-assign]


def killed_after(request: TrainingRequest, checkpoints: int) -> list[str]:
    """Run a training in a process of its own that is killed after so many checkpoints; returns those."""
    if (pid := os.fork()) == 0:
        die_after(checkpoints)
        try:
            run_request(StepName.TRAINING, request)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert store.find(request.out) is None
    return store.children(places(request))


def places(request: TrainingRequest) -> str:
    return f"{request.out}/attempts/progress-{request.digest()}"


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the micro-batches that the policy evaluates from now on."""
    sizes: list[int] = []
    mean = Evaluator.mean

    def counted(self: Evaluator, unet: object, pairs: object) -> object:
        if unet is not self.policy.base_unet:
            sizes.append(len(pairs))  # type: ignore[arg-type]
        return mean(self, unet, pairs)  # type: ignore[arg-type]

    monkeypatch.setattr(Evaluator, "mean", counted)
    return sizes


@pytest.mark.parametrize(("checkpoints", "left"), [(2, 4), (3, 3), (4, 2)])
def test_killed_in_mid_update_and_resumed_is_uninterrupted(
    request_: TrainingRequest, passes: list[int], checkpoints: int, left: int
) -> None:
    """Six micro-batches in two updates; killed after the second, the third (an update's end), or the fourth."""
    undisturbed = often(request_, 0).model_copy(update={"out": f"{request_.out}-undisturbed"})
    wanted = run_request(StepName.TRAINING, undisturbed)
    assert store.children(f"{undisturbed.out}/attempts") == [wanted.attempt], "0 minutes: no checkpoint"
    assert len(passes) == ALL_PASSES
    left_behind = killed_after(request_, checkpoints)
    assert len(left_behind) == checkpoints

    passes.clear()
    resumed = run_request(StepName.TRAINING, request_)
    assert len(passes) == left
    assert (resumed.content_digest, resumed.files) == (wanted.content_digest, wanted.files)


def test_broken_and_foreign_checkpoints_are_passed_over(
    file_store: str, pipeline_path: Path, passes: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """The newest is cut short, the one before is another request's: the first is gone on from, and two are named."""
    request = often(small_run(file_store, pipeline_path).draw(0))
    wanted = run_request(StepName.TRAINING, request.model_copy(update={"out": f"{request.out}-undisturbed"}))
    other = request.model_copy(update={"out": f"{request.out}-other", "seed": request.seed + 1})
    names = killed_after(request, 3)
    foreign = killed_after(other, 2)[-1]
    directory = Path(places(request).removeprefix("file://"))
    newest = directory / names[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    (directory / names[1]).unlink()
    (directory / foreign).write_bytes(Path(places(other).removeprefix("file://"), foreign).read_bytes())

    passes.clear()
    with caplog.at_level(logging.WARNING, logger="components"):
        resumed = run_request(StepName.TRAINING, request)
    assert len(passes) == 5
    assert resumed.content_digest == wanted.content_digest
    assert [name for name in (names[-1], foreign) if name in caplog.text] == [names[-1], foreign]
    assert "its sha256 is not that of its name" in caplog.text
    assert "another request or another release" in caplog.text


def test_the_mean_of_the_adapter_goes_on_too(file_store: str, pipeline_path: Path) -> None:
    request = often(small_run(file_store, pipeline_path).draw(0))
    settings = request.training.model_copy(update={"ema_decay": 0.5})
    request = request.model_copy(update={"training": settings})
    wanted = run_request(StepName.TRAINING, request.model_copy(update={"out": f"{request.out}-undisturbed"}))
    killed_after(request, 4)
    assert run_request(StepName.TRAINING, request).files == wanted.files
    assert AVERAGE_FILE in {file.path for file in wanted.files}


def test_masters_go_on_too(file_store: str, pipeline_path: Path) -> None:
    """All weights in fp32 beside a bfloat16 UNet, killed within the second update."""
    small = small_run(file_store, pipeline_path)
    base = small.config.base.model_copy(update={"dtype": "bfloat16"})
    training = small.config.training.model_copy(update={"trainable": "unet", "learning_rate": 1e-4})
    small.config = small.config.model_copy(update={"base": base, "training": training})
    request = often(small.draw(0))
    wanted = run_request(StepName.TRAINING, request.model_copy(update={"out": f"{request.out}-undisturbed"}))
    killed_after(request, 4)
    assert run_request(StepName.TRAINING, request).files == wanted.files


def trained_by_two(request: TrainingRequest, place: Path, *, killed: int = 0) -> list[TrainingResult]:
    """What each of two ranks ends with; rank 0 is killed after so many checkpoints."""

    def work(ranks: Ranks) -> str:
        if killed and ranks.leads:
            die_after(killed)
        return train(request, ranks)[0].model_dump_json()

    return [TrainingResult.model_validate_json(said) for said in two_ranks(place, work)]


def test_two_ranks_go_on_between_updates(file_store: str, pipeline_path: Path, tmp_path: Path) -> None:
    """Killed after the first of two updates: both ranks go on from rank 0's checkpoint, and end as if undisturbed."""
    request = often(small_run(file_store, pipeline_path).draw(0))
    request = request.model_copy(update={"training": request.training.model_copy(update={"processes": 2})})
    wanted = trained_by_two(often(request, 0), tmp_path / "undisturbed")
    assert len(wanted) == 2
    assert trained_by_two(request, tmp_path / "killed", killed=1) == []
    (checkpoint,) = store.children(places(request))
    assert checkpoint.startswith("000001-000000000-")
    assert trained_by_two(request, tmp_path / "resumed") == wanted


def test_a_checkpoint_of_another_release_is_not_trusted(
    file_store: str, pipeline_path: Path, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = often(small_run(file_store, pipeline_path).draw(0))
    killed_after(request, 4)
    monkeypatch.setenv("DDPO_IMAGE", "diffusion@sha256:another")
    run_request(StepName.TRAINING, request)
    assert len(passes) == ALL_PASSES


def test_a_demo_writes_no_checkpoint(file_store: str, pipeline_path: Path) -> None:
    """Ten minutes is the default, and more than a small training takes."""
    request = small_run(file_store, pipeline_path).draw(0)
    assert request.training.checkpoint_minutes == 10
    manifest = run_request(StepName.TRAINING, request)
    assert store.children(f"{request.out}/attempts") == [manifest.attempt]
