"""A reward's own image: the scoring step of a run with that reward runs there, in either profile."""

from __future__ import annotations

import doctest
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException

from components.core import store
from components.core.config import RewardConfig
from components.core.contracts import ScoringRequest, StartRequest, StartResult, StepName, canonical_json
from components.core.errors import BadRequest
from dags.pipeline import environment, reward_images
from dags.pipeline.reward_images import own_image
from dags.pipeline.steps import argv

ROOT = Path(__file__).resolve().parents[2]
COLOUR = "my_rewards.colour:Colourfulness"
JPEG, OWN, OTHER = RewardConfig(), RewardConfig(name=COLOUR), RewardConfig(name="aesthetic_plus")
DIGEST = "@sha256:" + "1" * 64


@pytest.fixture(params=["docker", "kubernetes"])
def profile(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A deployment of this profile that gives two rewards an image each."""
    pytest.importorskip({"docker": "airflow.providers.docker"}.get(request.param, "airflow.providers.cncf.kubernetes"))
    text = (ROOT / "infra" / "environments" / f"{request.param}.toml").read_text()
    own = f'[images.rewards]\n"{COLOUR}" = "colour{DIGEST}"\naesthetic_plus = "plus{DIGEST}"\n\n[variables]'
    file = tmp_path / "environment.toml"
    file.write_text(text.replace("[variables]", own, 1))
    monkeypatch.setenv("DDPO_ENVIRONMENT", str(file))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    return str(request.param)


def committed(root: str, *scorers: RewardConfig) -> str:
    """URI of a scoring request, as a plan commits it."""
    request = ScoringRequest(out=f"{root}/scoring", sampling=f"{root}/sampling", scorers=scorers)
    with store.Attempt(f"{root}/plan", step="plan") as attempt:
        attempt.write("scoring-00.json", canonical_json(request.model_dump(mode="json")))
        attempt.commit(StartRequest.model_construct(out=f"{root}/plan"), StartResult(run="r"))
    return f"{root}/plan/scoring-00.json"


def started(profile: str, request: str) -> tuple[str, dict[str, str]]:
    """Image and environment of the container that the scoring step's operator would start."""
    if profile == "kubernetes":
        from dags.pipeline.kubernetes_profile import KubernetesStepOperator

        pod = KubernetesStepOperator(task_id="scoring", step=StepName.SCORING, request=request)
        pod.use_own_image()
        (container,) = pod.build_pod_request_obj(dry_run=True).spec.containers
        return container.image, {variable.name: variable.value for variable in container.env}
    from dags.pipeline.docker_profile import DockerStepOperator
    from tests.dags.test_docker_profile import Asked

    engine = Asked()
    operator = DockerStepOperator(task_id="scoring", step=StepName.SCORING, request=request)
    operator.__dict__["hook"] = SimpleNamespace(api_client=engine, client_created=True)
    ti = SimpleNamespace(dag_id="d", run_id="r-it-0000", task_id="scoring", map_index=0, try_number=1)
    operator.execute({"ti": ti})
    return engine.created["image"], engine.created["environment"]


@pytest.mark.parametrize(
    ("scorers", "image"),
    [
        ((JPEG,), None),
        ((OWN,), f"colour{DIGEST}"),
        ((JPEG, OWN), f"colour{DIGEST}"),
        ((OTHER, JPEG), f"plus{DIGEST}"),
        ((RewardConfig(name=f"{COLOUR}/heavy"),), f"colour{DIGEST}"),
        (
            (RewardConfig(name="combined", options={"of": [{"reward": {"name": COLOUR}}]}),),
            f"colour{DIGEST}",
        ),
    ],
)
def test_the_step_runs_where_its_reward_lives(
    profile: str, file_store: str, scorers: tuple[RewardConfig, ...], image: str | None
) -> None:
    """And says so: the manifest names the image that the step is told."""
    expected = image or environment.current().image(StepName.SCORING)
    given, variables = started(profile, committed(file_store, *scorers))
    assert (given, variables["DDPO_IMAGE"]) == (expected, expected)


def test_two_rewards_with_an_image_each_are_refused(profile: str, file_store: str) -> None:
    with pytest.raises(AirflowFailException, match=rf"aesthetic_plus and {COLOUR} have an image each"):
        started(profile, committed(file_store, OWN, OTHER))


def test_other_steps_and_other_deployments_read_no_request(profile: str) -> None:
    """Nor does another command in a step's image. A request that is not there would be missing input."""
    deployment = environment.current()
    plain = environment.load(ROOT / "infra" / "environments" / f"{profile}.toml")
    sampling, scoring = (argv(step, f"file:///nowhere/{step}.json") for step in (StepName.SAMPLING, StepName.SCORING))
    assert own_image(StepName.SAMPLING, sampling, deployment) is None
    assert own_image(StepName.SCORING, scoring, plain) is None
    assert own_image(StepName.SCORING, ["python", "-m", "another", "command"], deployment) is None
    with pytest.raises(AirflowFailException, match="nothing is committed at file:///nowhere"):
        own_image(StepName.SCORING, scoring, deployment)


def test_a_rewards_image_is_by_digest_too(tmp_path: Path) -> None:
    file = tmp_path / "environment.toml"
    images = "".join(f'{name} = "{name}{DIGEST}"\n' for name in ("cpu", "diffusion", "scoring"))
    file.write_text(f'[images]\n{images}[images.rewards]\naesthetic_plus = "plus:latest"\n')
    with pytest.raises(BadRequest, match="plus:latest has no digest"):
        environment.load(file)


def test_the_examples_run() -> None:
    assert doctest.testmod(reward_images).failed == 0
