"""The files of a registered version: all that loading needs, on a machine that has neither this project nor the base.

    MLmodel              flavours `python_function` (ours, checked) and, for an adapter, MLflow's own `diffusers`;
                         metadata with the sha256 of every file that is loaded
    adapter_weights/     pytorch_lora_weights.safetensors, byte for byte as training committed it; of a policy of which
    or unet_weights/     every weight was trained, unet.safetensors instead
    base/                the base, where it is a directory; a base of a hub is named by id and revision
    code/                served_policy.py, which MLflow runs to check and load the rest
    model_card.md  panel.png  requirements.txt  python_env.yaml

Written here and not by `mlflow.diffusers.save_model`, which imports torch, asks the hub for the base's newest commit
(not the one that was trained on), and pins what is installed where it runs (not what trained the policy).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from components.registration import served_policy
from components.registration.lineage import Lineage

ADAPTER_FILE = "pytorch_lora_weights.safetensors"
CARD_FILE, PANEL_FILE = "model_card.md", "panel.png"
LOADER = "ddpo_served_policy_2"
"""Name under which a version imports its code; another one where what it does changes."""
REQUIRED = ("accelerate", "diffusers", "mlflow", "peft", "safetensors", "torch", "transformers")


def write_model(path: Path, lineage: Lineage, card: str, panel: bytes | None) -> str:
    """Write the directory that goes to MLflow; return the digest over the files that a loader checks."""
    path.mkdir(parents=True)
    if lineage.training is not None:
        weights = path / (served_policy.UNET if lineage.training.whole else served_policy.ADAPTER)
        weights.mkdir()
        (weights / lineage.training.file).write_bytes(lineage.training.committed.read(lineage.training.file))
    if Path(lineage.base_place).is_dir():
        shutil.copytree(lineage.base_place, path / served_policy.BASE, ignore=shutil.ignore_patterns(".*"))
    (path / "code").mkdir()
    shutil.copyfile(served_policy.__file__, path / "code" / f"{LOADER}.py")
    (path / CARD_FILE).write_text(card, encoding="utf-8")
    if panel is not None:
        (path / PANEL_FILE).write_bytes(panel)
    requirements = requirements_of(lineage.software)
    (path / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    (path / "python_env.yaml").write_text(_python_env(lineage.software), encoding="utf-8")
    files = served_policy.digests(path)
    _write_mlmodel(path, lineage, files)
    return served_policy.files_digest(files)


def requirements_of(software: dict[str, str]) -> list[str]:
    """What loading needs, in the versions that trained the policy; a local build suffix is not on any index.

    >>> requirements_of({"torch": "2.13.0+cpu", "diffusers": "0.42.1"})[1::4]
    ['diffusers==0.42.1', 'torch==2.13.0']
    """
    pinned = {name: f"=={version.partition('+')[0]}" for name, version in software.items() if version != "unknown"}
    return [f"{name}{pinned.get(name, '')}" for name in REQUIRED]


def _write_mlmodel(path: Path, lineage: Lineage, files: dict[str, str]) -> None:
    from mlflow import pyfunc
    from mlflow.models import Model

    model = Model(signature=_signature(lineage), metadata=_metadata(lineage, files))
    if lineage.training is not None and not lineage.training.whole:
        model.add_flavor("diffusers", **_diffusers_flavour(lineage))
    pyfunc.add_to_model(
        model,
        loader_module=LOADER,
        code="code",
        python_env="python_env.yaml",
        model_config={"base_model": "", "device": ""},  # MLflow lets a caller set only what stands here
    )
    model.model_size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    model.save(str(path / "MLmodel"))


def _metadata(lineage: Lineage, files: dict[str, str]) -> dict[str, object]:
    """What the loader goes by. The sampler is the one that ships: the training's, at eta 0."""
    base, sampler = lineage.request.base, lineage.state.config.sampler
    return {
        "ddpo.policy_id": lineage.policy_id,
        "ddpo.base_id": lineage.state.base_id,
        "ddpo.base": {"model": base.model, "revision": base.revision or "", "dtype": base.dtype},
        "ddpo.sampler": {
            "seed": 0,
            "num_inference_steps": sampler.steps,
            "guidance_scale": sampler.guidance_scale,
            "eta": 0.0,
            "timestep_spacing": sampler.timestep_spacing,
        },
        served_policy.FILES: files,
    }


def _diffusers_flavour(lineage: Lineage) -> dict[str, str]:
    """MLflow's own flavour. It knows a base by its place here or on the hub, and checks nothing."""
    base = lineage.request.base
    flavour = {
        "base_model": lineage.base_place,
        "adapter_type": "lora",
        "adapter_weights": served_policy.ADAPTER,
        "diffusers_version": lineage.software.get("diffusers", ""),
    }
    if base.revision and lineage.base_place == base.model:  # a directory has no revision
        flavour["base_model_revision"] = base.revision
    return flavour


def _signature(lineage: Lineage) -> object:
    """A prompt in, a PNG out; the defaults are the settings that the policy was trained with, at eta 0."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    sampler = lineage.state.config.sampler
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "prompt")]),
        outputs=Schema([ColSpec(DataType.binary, "image")]),
        params=ParamSchema(
            [
                ParamSpec("seed", DataType.long, 0),
                ParamSpec("num_inference_steps", DataType.integer, sampler.steps),
                ParamSpec("guidance_scale", DataType.double, sampler.guidance_scale),
                ParamSpec("eta", DataType.double, 0.0),
                ParamSpec("negative_prompt", DataType.string, ""),
            ]
        ),
    )


def _python_env(software: dict[str, str]) -> str:
    python = f"python: {software['python']}\n" if "python" in software else ""
    return f"{python}build_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n"
