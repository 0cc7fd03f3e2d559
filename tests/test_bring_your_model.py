"""The page on bringing a model works as it stands, on a machine without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from components.core import weights
from dags.pipeline import presets
from tests.dags.test_sd15_presets import models_of

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/bring-your-model.md").read_text()


@pytest.mark.system
@pytest.mark.slow
def test_the_commands_of_the_page_run_in_their_order_without_a_network(tmp_path: Path) -> None:
    """The mirror is as printed there; the plan knows its sizes; the run trains policy 1 of it."""
    commands = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert [re.search(r"ddpo \w+|python -m \S+|cp", block)[0] for block in commands] == [  # type: ignore[index]
        "cp", "ddpo mirror", "python -m components.core.weights", "ddpo plan", "ddpo run",
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DDPO_", "HF_", "MLFLOW"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1",
        "DDPO_CHECKOUT": str(ROOT), "DDPO_HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert printed is not None
    for line in (
        printed[1].replace("/home/me/.ddpo", str(tmp_path / "home")).replace("/home/me", str(tmp_path)).split("\n")
    ):
        assert line in done.stdout.split("\n"), line
    assert re.search(r"^base +me/animals, 32 px$", done.stdout, re.MULTILINE)
    assert re.search(r"--set sampler.batch=\d+ --set training.micro_batch=\d+", done.stdout)
    assert "run animals: all 1 iterations done" in done.stdout


def test_the_table_names_every_model_of_every_preset_at_its_commit() -> None:
    """And `--include` for what is published as a pickle; a model that no preset needs has no row."""
    mirrored = dict(re.findall(r"`([\w.-]+/[\w.-]+)@([0-9a-f]{40})[^`]*`", PAGE))
    wanted: dict[str, str] = {}
    for name in presets.names():
        wanted |= models_of(tomllib.loads(presets.path(name).read_text()))
    del mirrored["CompVis/stable-diffusion-v1-4"]  # the paper's, for who wants it
    assert {model: commit for model, commit in mirrored.items() if weights.is_pinned(commit)} == wanted
