"""Retention over a whole store: by the command line, and by its DAG."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.core import store
from components.core.layout import RunLayout
from components.core.retention import TRAJECTORIES
from dags.pipeline import cleaning
from dags.pipeline.cleaning import Left
from tests.core.sound_run import SoundRun
from tests.dags.homes import Home


def a_store(directory: Path) -> tuple[str, RunLayout]:
    """Run `sound`: two iterations of two shards with 1000 bytes of trajectories each; `strange`: of another release."""
    root = (directory / "store").as_uri()
    sound = SoundRun.at(root)
    for k in range(2):
        for s in range(2):
            sound.changes[sound.run.sampling(k, s)] = lambda request, result, files: (
                result,
                {**files, TRAJECTORIES: b"x" * 1000},
            )
    sound.commit()
    strange = directory / "store" / "runs" / "strange"
    strange.mkdir(parents=True)
    whole = (directory / "store" / "runs" / sound.run.run_id / "COMMITTED.json").read_text()
    (strange / "COMMITTED.json").write_text(whole.replace('"config"', '"konfig"'))
    return root, sound.run


def trajectories(run: RunLayout) -> list[str]:
    return sorted(path for path, _, _ in store.below(run.uri) if path.endswith(TRAJECTORIES))


def clean(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DDPO_", "AIRFLOW"))}
    command = [sys.executable, "-c", "from dags.pipeline.cli import app; app()", "clean", *arguments]
    return subprocess.run(command, env=kept | {"DDPO_HOME": str(directory)}, text=True, capture_output=True)


def test_the_command_says_what_would_go_and_then_removes_it(tmp_path: Path) -> None:
    """Two shards of iteration 0: 2000 bytes. The run that cannot be read is named, and the others are swept."""
    _, run = a_store(tmp_path)
    dry = clean(tmp_path, "--dry-run", "--keep", "1")
    assert dry.returncode == 0, dry.stderr
    sound, strange = dry.stdout.splitlines()
    assert sound == "sound: would remove 2 trajectories and 0 orphaned attempts: 2 files, 0.0 MB"
    assert strange.startswith("strange: left as it is: ")
    assert len(trajectories(run)) == 4
    assert clean(tmp_path, "--keep", "1").stdout.splitlines()[0] == sound.replace("would remove", "removed")
    assert [path.split("/")[1] for path in trajectories(run)] == ["0001", "0001"]
    assert clean(tmp_path, "sound", "--keep", "0").stdout.startswith("sound: removed 2 trajectories")
    assert trajectories(run) == []


def test_what_cannot_be_is_one_line(tmp_path: Path) -> None:
    a_store(tmp_path)
    assert clean(tmp_path, "nobody").stdout.startswith("nobody: left as it is: no run at ")
    assert clean(tmp_path, "--orphan-days", "0").returncode == 2
    assert clean(tmp_path / "elsewhere").stdout == f"no runs in {(tmp_path / 'elsewhere' / 'store').as_uri()}\n"


def test_attempts_of_the_last_days_are_left(tmp_path: Path) -> None:
    root, run = a_store(tmp_path)
    with store.Attempt(run.sampling(9, 0), step="sampling") as attempt:
        attempt.write("samples.jsonl", b"x")
    (now, _) = cleaning.sweep_all(cleaning.runs_of(root), keep=9, orphan_days=3, dry=False)
    assert not isinstance(now, Left)
    assert now.orphans == 0
    three_days_ago = (Path(run.uri.removeprefix("file://")) / "iterations/0009").stat().st_mtime - 3 * 86400 - 60
    for file in (Path(run.uri.removeprefix("file://")) / "iterations/0009").rglob("*"):
        os.utime(file, (three_days_ago, three_days_ago))
    (later, _) = cleaning.sweep_all(cleaning.runs_of(root), keep=9, orphan_days=3, dry=False)
    assert not isinstance(later, Left)
    assert later.orphans == 1


def test_a_store_that_is_away_stops_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.core.errors import Unavailable

    root, _ = a_store(tmp_path)

    def away(*arguments: Any, **options: Any) -> None:
        raise Unavailable("the store is away")

    monkeypatch.setattr(cleaning, "sweep", away)
    with pytest.raises(Unavailable):
        list(cleaning.sweep_all(cleaning.runs_of(root), keep=2, orphan_days=3, dry=False))


@pytest.mark.airflow
def test_the_dag_sweeps_every_run(tmp_path: Path) -> None:
    """Its form's defaults but `keep`; the strange run is a warning, and no reason to fail."""
    _, run = a_store(tmp_path)
    driven = Home(tmp_path).dag_run("ddpo_cleanup", "clean", {"keep": 1, "run": None, "orphan_days": 3, "dry": False})
    assert (driven.state, driven.tasks) == ("success", {"sweep": "success"})
    assert "sound: removed 2 trajectories" in driven.said
    assert "strange: left as it is" in driven.said
    assert len(trajectories(run)) == 2


@pytest.mark.parametrize("line", ["", "@daily", "17 3 * * *"])
def test_it_runs_when_the_environment_says(line: str) -> None:
    code = "from dags.ddpo_cleanup import DAG; print('\\n' + repr(DAG.schedule))"
    environment = os.environ | {"DDPO_CLEANUP_SCHEDULE": line}
    done = subprocess.run([sys.executable, "-c", code], env=environment, text=True, capture_output=True)
    assert done.stdout.splitlines()[-1] == repr(line or None)


def test_the_examples_in_its_docstrings_hold() -> None:
    assert doctest.testmod(cleaning).failed == 0
