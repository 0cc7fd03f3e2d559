"""The images as they are built, each run as a cluster would: no root, no network, no writable root."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from components.core import store
from components.core.config import RunConfig
from components.core.contracts import StartRequest, StartResult, StepName
from components.core.layout import RunLayout
from components.core.plan import iteration_requests
from components.core.runner import run_request
from images.contents import IMAGES, UID
from tests.images.engine import Engine, find_engine
from tests.images.test_dockerfile import lock

ROOT = Path(__file__).resolve().parents[2]
OFFLINE_BASE = "ddpo-base:bookworm"
MEGABYTE = 1_000_000
CASES = [(image, step) for image, contents in IMAGES.items() for step in contents.steps]

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return find_engine()


@pytest.fixture(scope="module")
def commit() -> str:
    return subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip()


@pytest.fixture(scope="module")
def images(engine: Engine, commit: str) -> dict[str, str]:
    """All, built from HEAD on BASE, else on a base made from Debian's packages; layers are kept between runs."""
    environment = os.environ | {"ENGINE": engine.client, "REVISION": commit, "TORCH": "cpu"}
    base = os.environ.get("BASE") or OFFLINE_BASE
    if base == OFFLINE_BASE and engine("image", "inspect", base).returncode != 0:
        subprocess.run([ROOT / "images/offline-base.sh", base], check=True, env=environment)
    subprocess.run([ROOT / "images/build.sh"], check=True, env=environment | {"BASE": base})
    return {name: f"ddpo-{name}:{commit[:12]}" for name in IMAGES}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_says_what_it_is(engine: Engine, images: dict[str, str], commit: str, name: str) -> None:
    config = engine.inspect(images[name])["Config"]
    labels = {key.rpartition(".")[2]: value for key, value in config["Labels"].items()}
    assert config["User"] == f"{UID}:{UID}"
    assert labels["title"] == f"ddpo-{name}"
    assert labels["revision"] == commit
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels["version"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", labels["created"])
    assert f"DDPO_COMMIT={commit}" in config["Env"]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_holds_what_it_has_to_and_no_more(engine: Engine, images: dict[str, str], name: str) -> None:
    """The check that ended its build, again, in a container that is locked down."""
    contents = ROOT / "images/contents.py"
    done = engine.run(images[name], "python", str(contents), name, "cpu", mounts={contents: "ro"})
    assert done.returncode == 0, done.stderr
    assert "nothing is there that should not be" in done.stdout


@pytest.mark.parametrize("name", IMAGES)
def test_nothing_of_an_image_can_be_written(engine: Engine, images: dict[str, str], name: str) -> None:
    """Not even without --read-only: its files are root's."""
    search = "find / -xdev -writable -not -type l -not -path '/proc/*' -not -path '/dev/*' -not -path '/sys/*'"
    done = engine("run", "--rm", "--network=none", images[name], "sh", "-c", f"{search} 2>/dev/null")
    assert set(done.stdout.split()) <= {"/tmp", "/var/tmp", "/run/lock"}


@pytest.mark.parametrize("name", IMAGES)
def test_no_layer_tells_of_the_machine_that_built_it(engine: Engine, images: dict[str, str], name: str) -> None:
    """Certificates, wheels and tools are mounts of the build, and no path of them is written down."""
    told = engine("history", "--no-trunc", "--format", "{{.CreatedBy}}", images[name]).stdout
    told += "\n".join(engine.inspect(images[name])["Config"]["Env"])
    here = ("PIP_FIND_LINKS", "UV_FIND_LINKS", "SSL_CERT_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTPS_PROXY")
    assert [variable for variable in here if os.environ.get(variable, "\0") in told] == []
    places = "/run/secrets /wheels /tools /var/cache/uv /project /contents.py"
    left = engine.run(images[name], "sh", "-c", f"find {places} -type f -size +0 2>/dev/null")
    assert left.stdout == ""


@pytest.mark.parametrize("name", IMAGES)
def test_the_sbom_lists_what_the_lock_asked_for(engine: Engine, images: dict[str, str], name: str) -> None:
    sbom = json.loads(engine.run(images[name], "cat", "/opt/ddpo/sbom.cdx.json").stdout)
    listed = {part["name"].lower().replace("_", "-"): part["version"].partition("+")[0] for part in sbom["components"]}
    assert sbom["bomFormat"] == "CycloneDX"
    torch = {"torch": lock("torch-cuda")["torch"]} if "torch" in IMAGES[name].modules else {}
    if IMAGES[name].packages:
        assert re.fullmatch(r"\d+\.\d+\.\d+", listed.pop("ddpo-pipeline"))
    assert {key.replace(".", "-"): value for key, value in listed.items()} == {
        key.replace(".", "-"): value for key, value in (lock(name) | torch).items()
    }


@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_step_answers_in_its_image(engine: Engine, images: dict[str, str], name: str, step: str) -> None:
    asked = engine.run(images[name], "python", "-m", f"components.{step}", "--help")
    assert asked.returncode == 0, asked.stderr
    assert f"python -m components.{step}" in asked.stdout
    missing = engine.run(images[name], "python", "-m", f"components.{step}", "--request", "file:///tmp/no/plan/it.json")
    assert missing.returncode == 66, missing.stderr  # the exit code reaches the engine


def test_an_iteration_in_containers_commits_what_it_commits_here(
    engine: Engine, images: dict[str, str], commit: str, tmp_path: Path, file_store: str
) -> None:
    """Prompts, pictures, rewards and policy 1, each step in its image: the digests of a run without containers."""
    config = RunConfig.model_validate(tomllib.loads((ROOT / "dags/presets/smoke.toml").read_text()))
    volume = tmp_path / "volume"
    inside, outside = (RunLayout.of(root, "smoke") for root in (volume.as_uri(), file_store))
    requests = iteration_requests(config, inside, 0)
    with store.Attempt(inside.plan(0), step="plan") as attempt:
        for name, request in requests.items():
            attempt.write(f"{name}.json", request.model_dump_json().encode())
        attempt.commit(StartRequest(out=inside.plan(0), config=config, base_id="x"), StartResult(run="smoke"))

    for directory in (volume, *(place for place in volume.rglob("*") if place.is_dir())):
        directory.chmod(0o777)  # the images' user is not this one

    image_of = {step: image for image, contents in IMAGES.items() for step in contents.steps}
    ours = iteration_requests(config, outside, 0)
    for name, request in requests.items():
        step = StepName(name.partition("-")[0])
        argv = ["python", "-m", f"components.{step}", "--request", f"{inside.plan(0)}/{name}.json"]
        done = engine.run(images[image_of[step]], *argv, mounts={volume: "rw"}, options=("--env=OMP_NUM_THREADS=1",))
        assert done.returncode == 0, done.stderr
        made = store.open_committed(request.out).manifest
        assert made.content_digest == run_request(step, ours[name]).content_digest, name
        assert made.software["ddpo"] == commit


def test_airflow_parses_every_dag_without_torch(engine: Engine, images: dict[str, str]) -> None:
    code = (
        "from airflow.dag_processing.dagbag import DagBag\n"
        "import json, os\n"
        "bag = DagBag(os.environ['AIRFLOW__CORE__DAGS_FOLDER'])\n"
        "print(json.dumps([sorted(bag.dags), bag.import_errors]))\n"
    )
    done = engine.run(images["airflow"], "python", "-c", code)
    assert done.returncode == 0, done.stderr
    dags, errors = json.loads(done.stdout.splitlines()[-1])
    assert errors == {}
    assert dags == sorted(path.stem for path in (ROOT / "dags").glob("ddpo_*.py"))


def test_airflow_can_name_the_embedded_base(engine: Engine, images: dict[str, str]) -> None:
    """A DAG that opens a run hashes the base's files: the same files as the step images hold."""
    code = (
        "from components.core.base_model import identify\n"
        "from components.core.config import BaseModelConfig\n"
        "print(identify(BaseModelConfig(model='tiny')))\n"
    )
    ids = {engine.run(images[name], "python", "-c", code).stdout for name in IMAGES if IMAGES[name].packages}
    assert len(ids) == 1
    assert ids.pop().startswith("sha256:")


def test_the_cpu_image_is_small(engine: Engine, images: dict[str, str]) -> None:
    assert engine.inspect(images["cpu"])["Size"] < 700 * MEGABYTE
