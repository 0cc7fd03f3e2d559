"""A version loads anywhere, from MLflow alone, and not at all once a byte of it was changed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
import yaml
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from components.core import plan
from components.core.config import BaseModelConfig, RunConfig
from components.core.contracts import PolicyRef
from components.core.seeds import sample_seed
from components.policy import load
from components.policy.adapter import save_adapter
from components.policy.rollout import rollout
from components.registration import served_policy
from tests.core.campaigns import SyntheticCampaign
from tests.registration.conftest import LORA
from tests.registration.registering import predict, register

ELSEWHERE = """
import base64, json, sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("components", "dags"):
            raise ModuleNotFoundError(f"{name} is not installed here")

sys.meta_path.insert(0, NotInstalled())
import mlflow

uri, prompts, params = json.loads(sys.argv[1])
served = mlflow.pyfunc.load_model(uri)
pictures = served.predict({"prompt": prompts}, params=params)
print(json.dumps([base64.b64encode(picture).decode() for picture in pictures]))
"""
"""What a machine without this project runs."""


def draw_elsewhere(tmp_path: Path, uri: str, prompts: list[str], params: dict) -> list[np.ndarray]:
    """Load and draw in a process of its own: isolated, in an empty directory, this project not importable."""
    import base64

    done = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, json.dumps([uri, prompts, params])],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [pixels(base64.b64decode(picture)) for picture in json.loads(done.stdout.splitlines()[-1])]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int)


def stock(
    base: str, adapter: Path | None, prompts: list[str], seeds: list[int], **settings: object
) -> list[np.ndarray]:
    """Stock diffusers, one picture at a time."""
    pipe = StableDiffusionPipeline.from_pretrained(base)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
    if adapter is not None:
        pipe.load_lora_weights(adapter)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    drawn = [pipe(p, generator=g, **settings).images[0] for p, g in zip(prompts, generators, strict=True)]
    return [np.asarray(picture, dtype=int) for picture in drawn]


@pytest.fixture
def files(synthetic, client) -> Path:
    """The registered policy's files in MLflow's store, which a local store gives away as they are."""
    register(synthetic)
    return Path(mlflow.artifacts.download_artifacts("models:/ddpo-tiny@challenger"))


@pytest.mark.slow
def test_a_machine_without_this_project_draws_what_stock_diffusers_draws(files, base, tmp_path):
    """Bit for bit, for two prompts, at the run's settings; row i is drawn from seed + i."""
    settings = {"num_inference_steps": 4, "guidance_scale": 3.0, "eta": 1.0}
    pictures = draw_elsewhere(tmp_path, "models:/ddpo-tiny@challenger", ["a cat", "a dog"], {"seed": 7, **settings})
    expected = stock(base, files / "adapter_weights", ["a cat", "a dog"], [7, 8], **settings)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(pictures, expected, strict=True))


def test_it_ships_with_eta_0_and_the_training_s_settings(files, base, synthetic):
    served = mlflow.pyfunc.load_model("models:/ddpo-tiny@challenger")
    (png,) = served.predict({"prompt": ["a cat"]})
    sampler = synthetic.config.sampler
    assert sampler.eta == 1
    (expected,) = stock(
        base, files / "adapter_weights", ["a cat"], [0],
        num_inference_steps=sampler.steps, guidance_scale=sampler.guidance_scale, eta=0.0,
    )  # fmt: skip
    assert np.array_equal(pixels(png), expected)


def test_it_draws_what_our_own_sampler_draws(files, synthetic, monkeypatch):
    """The same seeds, a stochastic sampler: a rounding of one of 255 apart at most."""
    monkeypatch.setattr(load, "_require_same_policy", lambda *_: None)  # a synthetic campaign's ids are made up
    seeds = [sample_seed(0, "a cat", i) for i in range(2)]
    policy = load.load_policy(PolicyRef(base=synthetic.config.base, adapter=synthetic.run.training(1)))
    ours = [np.asarray(p, dtype=int) for p in rollout(policy, ["a cat"] * 2, seeds, synthetic.config.sampler).pictures]
    served = mlflow.pyfunc.load_model("models:/ddpo-tiny@challenger")
    theirs = [pixels(served.predict({"prompt": ["a cat"]}, params={"seed": s, "eta": 1.0})[0]) for s in seeds]
    assert max(np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True)) <= 1


@pytest.mark.slow
def test_the_embedded_base_loads_from_its_own_version(file_store, client, tmp_path):
    """`models:/...@champion` before anything was trained: the tiny policy itself, drawn elsewhere."""
    synthetic = SyntheticCampaign.open(file_store, RunConfig(iterations=1, base=BaseModelConfig(model="tiny")))
    register(synthetic, 0, evaluated=False)
    client.set_registered_model_alias("ddpo-tiny", "champion", "1")
    settings = {"num_inference_steps": 3, "guidance_scale": 2.0, "eta": 0.0}
    (picture,) = draw_elsewhere(tmp_path, "models:/ddpo-tiny@champion", ["a cat"], {"seed": 3, **settings})
    (expected,) = stock("components/policy/tiny/weights", None, ["a cat"], [3], **settings)
    assert np.array_equal(picture, expected)
    assert "adapter_weights" not in {file.path.rsplit("/", 1)[-1] for file in files_of(client)}


def files_of(client: mlflow.MlflowClient) -> list:
    version = client.get_model_version("ddpo-tiny", "1")
    return client.list_artifacts(version.run_id, "policies/base")


def load_it() -> None:
    mlflow.pyfunc.load_model("models:/ddpo-tiny@challenger")


@pytest.mark.parametrize("name", ["adapter_weights/pytorch_lora_weights.safetensors", "base/unet/config.json"])
def test_one_changed_byte_is_refused(files, name):
    data = bytearray((files / name).read_bytes())
    data[-1] ^= 1
    (files / name).write_bytes(data)
    with pytest.raises(RuntimeError, match=f"{name} was changed after its registration"):
        load_it()


def test_one_changed_tensor_is_refused(files):
    path = files / "adapter_weights" / "pytorch_lora_weights.safetensors"
    tensors = load_file(path)
    first = sorted(tensors)[0]
    tensors[first] = tensors[first] + 1e-3
    save_file(tensors, path)
    with pytest.raises(RuntimeError, match="was changed after its registration"):
        load_it()


def test_changed_weights_with_changed_digests_are_refused_by_the_registry(files):
    """Who can write the files can write MLmodel as well, but not the version's tag."""
    path = files / "adapter_weights" / "pytorch_lora_weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    model = yaml.safe_load((files / "MLmodel").read_text())
    model["metadata"]["ddpo.files"] = served_policy.digests(files)
    (files / "MLmodel").write_text(yaml.safe_dump(model))
    with pytest.raises(RuntimeError, match="MLmodel was changed after its registration"):
        load_it()


def test_a_file_too_many_and_a_file_too_few_are_refused(files):
    extra = files / "base" / "unet" / "diffusion_pytorch_model.bin"
    extra.write_bytes(b"weights of somebody else")
    with pytest.raises(RuntimeError, match=r"base/unet/diffusion_pytorch_model\.bin was not registered"):
        load_it()
    extra.unlink()
    load_it()
    (files / "base" / "vae" / "config.json").unlink()
    with pytest.raises(RuntimeError, match=r"base/vae/config\.json is gone"):
        load_it()


def test_a_downloaded_copy_is_checked_where_no_registry_is(files, tmp_path, monkeypatch):
    """A copy on a disk, MLflow far away: its own MLmodel is what there is to go by."""
    import shutil

    copy = shutil.copytree(files, tmp_path / "copy")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert served_policy.verify(copy)["ddpo.policy_id"] == "policy-2"
    assert not list(Path().glob("mlflow.db")), "asking no registry must not make one"
    path = copy / "adapter_weights" / "pytorch_lora_weights.safetensors"
    path.write_bytes(b"\0" + path.read_bytes()[1:])
    with pytest.raises(RuntimeError):
        served_policy.verify(copy)


def test_the_base_s_id_is_the_one_that_sampling_gives(base):
    """Registration names the base without torch; a policy's id is made where torch is."""
    from components.registration.lineage import bare_policy_id

    config = BaseModelConfig(model=str(base))
    assert bare_policy_id(config) == load.load_policy(PolicyRef(base=config)).id


def test_our_own_loading_refuses_a_changed_adapter_in_the_store(synthetic):
    """Training, sampling and export read the store: each file against its commit."""
    from components.core.errors import BadData

    training = Path(synthetic.run.training(1).removeprefix("file://"))
    (weights,) = training.rglob("pytorch_lora_weights.safetensors")
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(BadData, match="corrupt"):
        load.load_policy(plan.policy_ref(synthetic.config, synthetic.run, 2))


def test_a_hub_base_stays_a_reference_and_a_local_copy_may_serve(base, adapted, file_store, client):
    """No base in the version; its id and revision are, and `model_config` names the copy."""
    hub = BaseModelConfig(model="somebody/a-model", revision="c0ffee")
    config = RunConfig(iterations=1, base=hub, training={"lora": LORA})
    synthetic = SyntheticCampaign.open(file_store, config)
    synthetic.iterate(0, adapter=save_adapter(adapted))
    register(synthetic, 1, evaluated=False)
    uri = "models:/ddpo-tiny@challenger"
    files = Path(mlflow.artifacts.download_artifacts(uri))
    assert not (files / "base").exists()
    named = served_policy.read_metadata(files)["ddpo.base"]
    assert named == {"model": "somebody/a-model", "revision": "c0ffee", "dtype": "float32"}
    served = mlflow.pyfunc.load_model(uri, model_config={"base_model": str(base)})
    (png,) = served.predict({"prompt": ["a cat"]}, params={"seed": 5, "num_inference_steps": 3})
    settings = {"num_inference_steps": 3, "guidance_scale": 3.0, "eta": 0.0}
    (expected,) = stock(base, files / "adapter_weights", ["a cat"], [5], **settings)
    assert np.array_equal(pixels(png), expected)


def test_a_policy_of_which_every_weight_was_trained_is_served_and_checked(whole, client, tmp_path, adapted):
    """Its UNet travels with the version, in the place of an adapter; a byte of it changed, and nothing is loaded."""
    register(whole)
    root = Path(mlflow.artifacts.download_artifacts("models:/ddpo-tiny/1", dst_path=str(tmp_path / "copy")))
    assert not (root / "adapter_weights").exists()
    assert "diffusers" not in yaml.safe_load((root / "MLmodel").read_text())["flavors"]
    pipeline = served_policy.load_pipeline(root)
    assert (predict(pipeline.unet) - predict(adapted)).abs().max() <= 1e-5
    (drawn,) = draw_elsewhere(tmp_path, "models:/ddpo-tiny/1", ["a cat"], {"seed": 3})
    assert drawn.std() > 0

    weights = root / "unet_weights" / "unet.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(served_policy.RefusedModel, match=r"unet_weights/unet\.safetensors was changed"):
        served_policy.load_pipeline(root)
