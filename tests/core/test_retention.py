"""Retention takes what nobody needs again, says so first, and leaves the evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from components.core import store
from components.core.config import RunConfig
from components.core.errors import BadData, MissingInput
from components.core.layout import RunLayout
from components.core.retention import TRAJECTORIES, Swept, sweep
from components.core.verify import verify_run
from tests.core.sound_run import SoundRun

LATER = datetime.now(UTC) + timedelta(days=30)


@pytest.fixture
def run(store_root: str) -> RunLayout:
    """Two trained iterations of two shards; each shard has trajectories of 1000 bytes."""
    sound = SoundRun.at(store_root)
    for k in range(2):
        for s in range(2):
            sound.changes[sound.run.sampling(k, s)] = lambda request, result, files: (
                result,
                {**files, TRAJECTORIES: b"x" * 1000},
            )
    sound.commit()
    return sound.run


def everything(run: RunLayout) -> set[str]:
    """Paths of all objects of a run."""
    return {path for path, _, _ in store.below(run.uri)}


def an_orphan(run: RunLayout, prefix: str) -> None:
    """An attempt of two files and 30 bytes that never commits."""
    with store.Attempt(prefix, step="sampling") as attempt:
        attempt.write("samples.jsonl", b"x" * 10)
        attempt.write("pictures/a-cat-000.png", b"x" * 20)


def test_trajectories_of_old_iterations_go_and_nothing_else(run: RunLayout) -> None:
    before = everything(run)
    swept = sweep(run, now=LATER, keep=1)
    assert (swept.trajectories, swept.orphans, swept.files, swept.size) == (2, 0, 2, 2000)
    gone, new = before - everything(run), everything(run) - before
    assert {path.rpartition("/")[2] for path in gone} == {TRAJECTORIES}
    assert all(path.startswith("iterations/0000/shards/") for path in gone)
    assert new == {f"iterations/0000/shards/0{s}/sampling/EXPIRED.json" for s in range(2)}


def test_a_sweep_twice_is_a_sweep_once(run: RunLayout) -> None:
    sweep(run, now=LATER, keep=1)
    after = everything(run)
    assert sweep(run, now=LATER, keep=1).files == 0
    assert everything(run) == after


def test_a_dry_sweep_counts_the_same_and_removes_nothing(run: RunLayout) -> None:
    an_orphan(run, run.sampling(1, 0))
    before = everything(run)
    counted = sweep(run, now=LATER, keep=1, dry=True)
    assert everything(run) == before
    assert counted == sweep(run, now=LATER, keep=1) == Swept(run="sound", trajectories=2, orphans=1, files=4, size=2030)


def test_the_newest_iterations_keep_theirs(run: RunLayout) -> None:
    assert sweep(run, now=LATER, keep=2).trajectories == 0
    assert sweep(run, now=LATER, keep=0).trajectories == 4


def test_attempts_that_lost_or_died_go_once_they_are_old(run: RunLayout) -> None:
    an_orphan(run, run.sampling(0, 0))  # lost: another is committed there
    an_orphan(run, run.sampling(7, 0))  # died: nobody committed there
    assert sweep(run, now=datetime.now(UTC), keep=9).orphans == 0
    assert sweep(run, now=LATER, keep=9).orphans == 2
    assert verify_run(run.uri).orphans == 0


def test_a_sweep_that_died_after_its_note_is_finished_by_the_next(run: RunLayout, monkeypatch) -> None:
    with monkeypatch.context() as dying:
        dying.setattr(store, "delete", lambda uri: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sweep(run, now=LATER, keep=1)
    assert store.open_committed(run.sampling(0, 0)).read(TRAJECTORIES) == b"x" * 1000  # noted, and not gone yet
    assert sweep(run, now=LATER, keep=1).trajectories == 2


def test_a_swept_run_is_sound_and_says_what_has_expired(run: RunLayout) -> None:
    sweep(run, now=LATER, keep=1)
    found = verify_run(run.uri)
    assert (found.problems, found.expired) == ((), 2)
    with pytest.raises(MissingInput, match=r"trajectories\.safetensors of .* has expired"):
        store.open_committed(run.sampling(0, 0)).read(TRAJECTORIES)


def test_a_file_that_is_gone_without_a_note_is_a_defect(run: RunLayout) -> None:
    shard = store.open_committed(run.sampling(1, 0))
    store.delete(f"{run.sampling(1, 0)}/attempts/{shard.manifest.attempt}/{TRAJECTORIES}")
    with pytest.raises(BadData, match="is gone, though its commit lists it"):
        store.open_committed(run.sampling(1, 0)).read(TRAJECTORIES)


def test_a_run_in_progress_keeps_what_its_next_training_needs(store_root: str) -> None:
    """Nothing is trained: nothing is old."""
    from components.core.opening import open_run

    run = open_run(store_root, "a", RunConfig())
    an_orphan(run, run.sampling(0, 0))
    assert sweep(run, now=datetime.now(UTC), keep=0).files == 0
