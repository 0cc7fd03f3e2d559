"""The file of a deployment: what it says is checked when it is read, and a mistake is one line that names the key."""

from __future__ import annotations

import doctest
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.core.contracts import StepName
from components.core.errors import BadRequest
from dags.pipeline import environment
from dags.pipeline.environment import IMAGE_OF, Environment, load
from images.contents import IMAGES

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "infra" / "environments"
DIGEST = "@sha256:" + "0" * 64
Read = Callable[[str], Environment]
PINNED = f'[images]\ncpu = "c{DIGEST}"\ndiffusion = "d{DIGEST}"\nscoring = "s{DIGEST}"\n'


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a file with this text."""

    def read(text: str) -> Environment:
        file = tmp_path / "environment.toml"
        file.write_text(text)
        load.cache_clear()
        return load(file)

    return read


@pytest.mark.parametrize("profile", ["local", "docker", "kubernetes"])
def test_the_examples_are_what_they_are_called(profile: str) -> None:
    deployment = load(EXAMPLES / f"{profile}.toml")
    assert deployment.profile == profile
    if profile != "local":
        assert set(deployment.resources) == set(StepName)  # an operator sees every step and changes figures


def test_every_step_runs_in_the_image_that_was_built_for_it() -> None:
    built = {step: image for image, contents in IMAGES.items() for step in contents.steps}
    assert {str(step): image for step, image in IMAGE_OF.items()} == built


def test_no_file_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DDPO_ENVIRONMENT", raising=False)
    assert environment.current() == Environment()
    assert environment.current().profile == "local"


WRONG = [
    ('profile = "mainframe"', "profile = 'mainframe'"),
    ('profil = "docker"', "profil: unknown key"),
    ('profile = "docker"', r"profile docker needs \[images\]"),
    (PINNED.replace(f"d{DIGEST}", "d:latest"), "images: d:latest has no digest"),
    ("[pools]\ngpu = 0", "pools.gpu = 0"),
    ('[resources.sampling]\nmemory = "24GB"', "resources.sampling.memory = '24GB'"),
    ("[resources.smapling]\ncpus = 1", "resources.smapling"),
    ("[resources.training]\ngpus = 2", r"resources.training.gpus = 2 exceeds pools.gpu = 1"),
    ("[pools]\ngpu = 2\n[resources.sampling]\ngpus = 2", r"resources.sampling.gpus = 2: only training uses several"),
    ('[variables]\nAWS_SECRET_ACCESS_KEY = "x"', "AWS_SECRET_ACCESS_KEY looks like a secret"),
    ('[variables]\nPROXY = "http://me:pw@proxy"', "PROXY looks like a secret"),
    ('tracking_uri = "http://me:pw@mlflow"', "tracking_uri: holds a user or a password"),
    ('store = "bucket/prefix"', "store = 'bucket/prefix'"),
    ('[[volumes]]\nsource = "models"\ntarget = "models"', "volumes.0.target"),
    ("profile = ", "is not TOML"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_mistake_is_one_line_that_names_the_key(read: Read, text: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        read(text)
    assert "\n" not in str(caught.value)
    assert "pw" not in str(caught.value).replace("proxy", "")


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPO_ENVIRONMENT", "/nowhere/environment.toml")
    with pytest.raises(BadRequest, match=r"DDPO_ENVIRONMENT = /nowhere/environment.toml: No such file"):
        environment.current()


def test_ones_own_machine_may_use_tags(read: Read) -> None:
    text = 'profile = "docker"\n[images]\ncpu = "c:1"\ndiffusion = "d:1"\nscoring = "s:1"\nunpinned = true\n'
    assert read(text).image(StepName.TRAINING) == "d:1"


def test_only_registration_hears_of_mlflow() -> None:
    deployment = Environment(
        store="s3://b/p", tracking_uri="http://mlflow:5000", variables={"AWS_DEFAULT_REGION": "r", "MLFLOW_X": "1"}
    )
    assert deployment.variables_of(StepName.SAMPLING) == {"DDPO_STORE": "s3://b/p", "AWS_DEFAULT_REGION": "r"}
    assert set(deployment.variables_of(StepName.REGISTRATION)) == {
        *("DDPO_STORE", "MLFLOW_TRACKING_URI", "AWS_DEFAULT_REGION", "MLFLOW_X")
    }


def test_a_process_without_a_gpu_of_its_own_is_refused() -> None:
    """4 processes on 4 or 8 GPUs; without any GPU they share the CPU; on 2 they would meet."""
    for gpus in (0, 4, 8):
        deployment = {"pools": {"gpu": 8}, "resources": {"training": {"gpus": gpus}}}
        Environment.model_validate(deployment).require_gpus_for(4)
    few = Environment.model_validate({"pools": {"gpu": 8}, "resources": {"training": {"gpus": 2}}})
    with pytest.raises(BadRequest, match=r"training.processes = 4, and this deployment gives training 2 GPUs \("):
        few.require_gpus_for(4)


def test_memory_is_counted_as_kubernetes_counts() -> None:
    """1 Gi is 2 to the 30."""
    deployment = Environment.model_validate({"resources": {"training": {"memory": "3Gi"}}})
    assert deployment.resources_of(StepName.TRAINING).memory_bytes == 3 * 1024 * 1024 * 1024
    assert deployment.resources_of(StepName.SCORING).memory_bytes == 2 * 1024 * 1024 * 1024


def parsed(file: Path, code: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process whose environment names the file."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DDPO_", "MLFLOW_"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=kept | {"DDPO_ENVIRONMENT": str(file), **given},
        text=True,
        capture_output=True,
    )


def test_pools_have_the_slots_that_it_says_and_its_places_are_defaults(tmp_path: Path) -> None:
    file = tmp_path / "environment.toml"
    file.write_text('store = "s3://file/store"\ntracking_uri = "http://file"\n[pools]\ngpu = 5\nscoring = 7\n')
    code = (
        "import json, os\nfrom dags.pipeline.steps import POOLS\n"
        "print(json.dumps([{k: v[0] for k, v in POOLS.items()}, os.environ['DDPO_STORE'],"
        " os.environ['MLFLOW_TRACKING_URI']]))"
    )
    said = parsed(file, code, DDPO_STORE="s3://mine")
    assert json.loads(said.stdout) == [{"gpu": 5, "scoring": 7}, "s3://mine", "http://file"], said.stderr


@pytest.mark.parametrize("arguments", [["up"], ["show"]])
def test_the_command_line_says_what_is_wrong_in_one_line(tmp_path: Path, arguments: list[str]) -> None:
    file = tmp_path / "environment.toml"
    file.write_text("[pools]\ngpus = 5\n")
    code = f"import sys\nsys.argv[1:] = {arguments!r}\nfrom dags.pipeline.cli import app\napp()"
    done = parsed(file, code, DDPO_HOME=str(tmp_path / "home"))
    assert (done.returncode, done.stderr) == (64, "error: environment.toml: pools.gpus: unknown key\n")


def test_a_dag_is_not_parsed_with_a_wrong_file(tmp_path: Path) -> None:
    """The line is Airflow's import error, on its first page."""
    file = tmp_path / "environment.toml"
    file.write_text("[pools]\ngpus = 5\n")
    done = parsed(file, "import dags.ddpo_iteration", AIRFLOW_HOME=str(tmp_path))
    assert done.stderr.splitlines()[-1].endswith("BadRequest: environment.toml: pools.gpus: unknown key")


def test_the_examples_in_its_docstrings_hold() -> None:
    assert doctest.testmod(environment).failed == 0
