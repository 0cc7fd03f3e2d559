"""A registered policy is one version, with its lineage, that stock diffusers loads as it was trained."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

from components.core import runner, store
from components.core.config import BaseModelConfig
from components.core.contracts import PolicyRef, StepName
from components.core.errors import BadData, BadRequest, Unavailable
from components.policy import load
from components.policy.load import load_policy
from components.policy.rollout import rollout
from components.registration import registry, step
from components.registration.model_directory import LOADER
from tests.core.campaigns import panel
from tests.policy.pipelines import random_pipeline
from tests.registration.registering import predict, register, request_for


def pixels(pictures: list) -> np.ndarray:
    return np.stack([np.asarray(picture, dtype=int) for picture in pictures])


def test_stock_diffusers_loads_what_was_trained(synthetic, client, base, adapted):
    register(synthetic)
    files = mlflow.artifacts.download_artifacts("models:/ddpo-tiny@challenger")
    pipe = StableDiffusionPipeline.from_pretrained(base)
    bare = predict(pipe.unet)
    pipe.load_lora_weights(f"{files}/adapter_weights")
    assert (predict(pipe.unet) - predict(adapted)).abs().max() <= 1e-6
    assert (predict(pipe.unet) - bare).abs().max() > 1e-2  # and it is not the base


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_stock_picture_is_our_sampler_s(synthetic, client, base, eta, monkeypatch):
    """The same prompts and generators: what we trained on and what a user draws differ by at most one of 255."""
    monkeypatch.setattr(load, "_require_same_policy", lambda *_: None)  # a synthetic campaign's ids are made up
    register(synthetic)
    sampler = synthetic.config.sampler.model_copy(update={"steps": 4, "eta": eta, "timestep_spacing": "trailing"})
    policy = load_policy(PolicyRef(base=synthetic.config.base, adapter=synthetic.run.training(1)))
    ours = rollout(policy, ["a cat", "a dog"], [1, 2], sampler).pictures

    pipe = StableDiffusionPipeline.from_pretrained(base)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing")
    pipe.load_lora_weights(mlflow.artifacts.download_artifacts("models:/ddpo-tiny@challenger") + "/adapter_weights")
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    theirs = pipe(["a cat", "a dog"], num_inference_steps=4, eta=eta, guidance_scale=3, generator=generators).images
    assert np.abs(pixels(ours) - pixels(theirs)).max() <= 1


def test_the_card_s_code_runs(synthetic, client):
    """Pasted from the version's page into a file, with the version's number and a prompt."""
    register(synthetic)
    description = client.get_model_version("ddpo-tiny", "1").description
    served, stock = (
        part.partition("```")[0].replace("<version>", "1") for part in description.split("```python\n")[1:]
    )
    names = {"prompt": "a cat"}
    exec(served, names)
    assert Image.open(io.BytesIO(names["png"])).size == (16, 16)
    exec(stock, names)
    assert names["picture"].size == (16, 16)


def test_mlflow_s_own_diffusers_flavour_loads_it(synthetic, client, adapted):
    """Unchecked, and with the base where it was when the version was made."""
    register(synthetic)
    pipe = mlflow.diffusers.load_model("models:/ddpo-tiny/1").load_pipeline(device="cpu")
    assert (predict(pipe.unet) - predict(adapted)).abs().max() <= 1e-6


def test_the_version_names_what_it_stands_on(synthetic, client, base):
    manifest = register(synthetic)
    version = client.get_model_version_by_alias("ddpo-tiny", "challenger")
    tags = version.tags
    assert tags["ddpo.policy_id"] == "policy-2"
    assert tags["ddpo.run_uri"] == synthetic.run.uri
    assert tags["ddpo.base"] == str(base)
    assert tags["ddpo.gain"] == "+0.10 [-0.10, +0.30]"
    lineage = json.loads(tags["ddpo.lineage"])
    assert lineage["parent_policy_id"] == "policy-1"
    assert lineage["scorer_id"] == "scorer-1"
    assert lineage["base_id"].startswith("sha256:")
    training, report = (
        store.open_committed(at).manifest for at in (synthetic.run.training(1), synthetic.run.report(2))
    )
    assert lineage["training_content_digest"] == training.content_digest
    assert lineage["evaluation_content_digest"] == report.content_digest
    assert client.get_run(version.run_id).data.tags["ddpo.run_uri"] == synthetic.run.uri
    assert manifest.result["tags"] == tags
    assert manifest.result["policy_id"] == "policy-2"


def test_what_loading_needs_is_in_the_version_and_nothing_else(synthetic, client, base):
    register(synthetic)
    root = Path(mlflow.artifacts.download_artifacts("models:/ddpo-tiny/1"))
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    weights = "adapter_weights/pytorch_lora_weights.safetensors"
    expected = {"MLmodel", weights, "model_card.md", "panel.png", "python_env.yaml", "requirements.txt"}
    expected |= {f"code/{LOADER}.py"}
    expected |= {f"base/{path.relative_to(base).as_posix()}" for path in base.rglob("*") if path.is_file()}
    assert expected == set(files) - {"registered_model_meta"}  # which the download adds
    assert (root / "panel.png").read_bytes() == panel(2)
    assert (root / weights).read_bytes() == store.open_committed(synthetic.run.training(1)).read(Path(weights).name)


def test_a_step_that_dies_before_its_commit_makes_no_second_version(synthetic, client):
    """At least once: MLflow has the version, the store has no commit, and the retry finds the version."""
    for _ in range(2):
        with store.Attempt(request_for(synthetic).out, step="registration") as attempt:
            result = step.run(request_for(synthetic), attempt)
    assert [v.version for v in client.search_model_versions("name = 'ddpo-tiny'")] == [1]
    assert result.tags == client.get_model_version("ddpo-tiny", "1").tags


def test_of_two_attempts_at_once_one_version_stays(synthetic, client, monkeypatch):
    """Between our search and our version another attempt makes its own; the lower number stays."""
    search, rival = registry.versions_of, []

    def rival_first(*query):
        found = search(*query)
        if not rival:
            rival.append("registering")
            register(synthetic)
        return found

    monkeypatch.setattr(registry, "versions_of", rival_first)
    with store.Attempt(request_for(synthetic).out, step="registration") as attempt:
        step.run(request_for(synthetic), attempt)
    assert [v.version for v in client.search_model_versions("name = 'ddpo-tiny'")] == [1]
    assert client.get_model_version_by_alias("ddpo-tiny", "challenger").version == 1


def test_the_newest_registered_policy_is_the_challenger(synthetic, client):
    register(synthetic, 1, evaluated=False)
    register(synthetic, 2)
    challenger = client.get_model_version_by_alias("ddpo-tiny", "challenger")
    assert (challenger.version, challenger.tags["ddpo.policy"]) == (2, "2")
    assert client.get_model_version("ddpo-tiny", "1").tags["ddpo.policy"] == "1"


def test_the_card_gives_numbers_code_and_licence(synthetic, client):
    register(synthetic)
    card = store.open_committed(request_for(synthetic).out).read("model_card.md").decode()
    assert "| held_out | jpeg_incompressibility | 0.800 | 0.850 | +0.050 [-0.050, +0.150] |" in card
    assert "rank 4, alpha 10, targets: all" in card
    assert "![Fixed prompts and noise, base above this policy](panel.png)" in card
    assert store.open_committed(request_for(synthetic).out).read("panel.png") == panel(2)
    assert "eta 1 in training, eta 0 as it ships" in card
    assert "## Licence" in card
    description = client.get_model_version("ddpo-tiny", "1").description
    assert "mlflow.pyfunc.load_model(" in description
    assert "| config_digest |" in description.replace(" &nbsp;", "")
    assert len(description) < 5000


def test_a_policy_without_evaluation_says_so(synthetic, client):
    register(synthetic, 1, evaluated=False)
    assert "was not evaluated" in client.get_model_version("ddpo-tiny", "1").description


def test_mlflow_that_is_away_is_a_reason_to_try_again(synthetic, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with pytest.raises(Unavailable):
        register(synthetic)
    assert store.find(request_for(synthetic).out) is None


def test_what_does_not_fit_is_refused(synthetic, client):
    right = request_for(synthetic)
    wrong = {
        BadRequest: right.model_copy(update={"policy": 1}),  # another policy's training
        BadData: right.model_copy(update={"evaluation": synthetic.run.report(0)}),  # another policy's numbers
    }
    for error, request in wrong.items():
        with pytest.raises(error):
            runner.run_request(StepName.REGISTRATION, request)
    assert client.search_model_versions("name = 'ddpo-tiny'") == []


def test_a_base_that_changed_is_refused(synthetic, client, tmp_path):
    """A version names its base by a path: what lies there must still be what was trained on."""
    other = random_pipeline(tmp_path / "other", seed=1)
    request = request_for(synthetic).model_copy(update={"base": BaseModelConfig(model=str(other))})
    with pytest.raises(BadData, match="not the one"):
        runner.run_request(StepName.REGISTRATION, request)
