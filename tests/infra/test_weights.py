"""The chart's job and compose's service fill a volume from the store's mirrors, and steps read it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from components.core import weights
from tests.core.mirrored import COMMIT, FILES, MODEL, mirror, model_directory
from tests.infra.compose_config import config, settings_in

SECOND = "f" * 40
NAMES = [f"{MODEL}@{COMMIT}", f"{MODEL}@{SECOND}"]
VOLUME = "/models"


def of_the_chart(directory: Path) -> tuple[list[str], dict[str, str]]:
    """The job's command, and what it is told."""
    from tests.infra.charts import rendered, values

    chosen = values("aws")
    chosen["weights"]["models"] = NAMES
    (job,) = [m for m in rendered(chosen) if m["kind"] == "Job"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert {"name": "models", "mountPath": VOLUME} in container["volumeMounts"]
    told = {entry["name"]: entry["value"] for entry in container["env"]}
    return [*container["command"], *container["args"]], told


def of_compose(directory: Path) -> tuple[list[str], dict[str, str]]:
    """The service's command, and what it is told."""
    settings = settings_in(directory)
    settings.write_text(settings.read_text().replace("DDPO_WEIGHTS=\n", f"DDPO_WEIGHTS={' '.join(NAMES)}\n"))
    service = yaml.safe_load(config(settings).stdout)["services"]["weights"]
    command = service["command"]
    return [*service["entrypoint"], *(command.split() if isinstance(command, str) else command)], service["environment"]


@pytest.mark.parametrize("profile", [of_the_chart, of_compose], ids=["chart", "compose"])
def test_what_is_named_lies_on_the_volume_where_steps_look_for_it(
    profile: Callable[[Path], tuple[list[str], dict[str, str]]],
    s3_store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = model_directory(tmp_path / "source")
    for commit in (COMMIT, SECOND):
        mirror(s3_store, source, commit)
    command, told = profile(tmp_path)
    assert command == ["python", "-m", "components.core.weights", *NAMES]
    assert told["DDPO_MODELS"] == VOLUME
    assert {"DDPO_STORE", "AWS_DEFAULT_REGION"} <= told.keys()

    here = {"DDPO_STORE": s3_store, "DDPO_MODELS": str(tmp_path / "models")}
    subprocess.run([sys.executable, *command[1:]], env=os.environ | here, check=True, capture_output=True)
    monkeypatch.setenv("DDPO_STORE", (tmp_path / "none").as_uri())
    monkeypatch.setenv("DDPO_MODELS", str(tmp_path / "models"))
    for commit in (COMMIT, SECOND):
        place = weights.directory(MODEL, commit)
        assert {name: (place / name).read_bytes() for name in FILES} == FILES


def test_a_model_that_nobody_mirrored_is_named(s3_store: str, tmp_path: Path) -> None:
    here = {"DDPO_STORE": s3_store, "DDPO_MODELS": str(tmp_path / "models")}
    command = [sys.executable, "-m", "components.core.weights", NAMES[0]]
    done = subprocess.run(command, env=os.environ | here, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (66, "")
    assert f"`ddpo mirror {NAMES[0]}`" in done.stderr
