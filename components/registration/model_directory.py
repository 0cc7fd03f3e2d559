"""The files of a registered version: an adapter that MLflow's diffusers flavour and stock diffusers both load.

    MLmodel              flavours `diffusers` and `python_function`
    adapter_weights/     pytorch_lora_weights.safetensors, byte for byte as training committed it, metadata and all
    model_card.md  requirements.txt  python_env.yaml

Written here and not by `mlflow.diffusers.save_model`, which imports torch, asks the hub for the base's newest commit
(not the one that was trained on), and pins what is installed where it runs (not what trained the policy).
"""

from __future__ import annotations

from pathlib import Path

from components.registration.lineage import Lineage

ADAPTER_FILE = "pytorch_lora_weights.safetensors"
REQUIRED = ("accelerate", "diffusers", "peft", "safetensors", "torch", "transformers")


def write_model(path: Path, lineage: Lineage, card: str) -> Path:
    """Write the directory that goes to MLflow."""
    weights = path / "adapter_weights"
    weights.mkdir(parents=True)
    (weights / ADAPTER_FILE).write_bytes(lineage.trained.read(ADAPTER_FILE))
    (path / "model_card.md").write_text(card, encoding="utf-8")
    requirements = requirements_of(lineage.trained.manifest.software)
    (path / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    (path / "python_env.yaml").write_text(_python_env(lineage.trained.manifest.software), encoding="utf-8")
    _write_mlmodel(path, lineage)
    return path


def requirements_of(software: dict[str, str]) -> list[str]:
    """What loading needs, in the versions that trained the policy; a local build suffix is not on any index.

    >>> requirements_of({"torch": "2.13.0+cpu", "diffusers": "0.42.1"})[1::3]
    ['diffusers==0.42.1', 'torch==2.13.0']
    """
    pinned = {name: f"=={version.partition('+')[0]}" for name, version in software.items() if version != "unknown"}
    return [f"{name}{pinned.get(name, '')}" for name in REQUIRED]


def _write_mlmodel(path: Path, lineage: Lineage) -> None:
    from mlflow import pyfunc
    from mlflow.models import Model

    software, base = lineage.trained.manifest.software, lineage.request.base
    flavour = {
        "base_model": lineage.base_place,
        "adapter_type": "lora",
        "adapter_weights": "adapter_weights",
        "diffusers_version": software.get("diffusers", ""),
    }
    if base.revision and lineage.base_place == base.model:  # a directory has no revision
        flavour["base_model_revision"] = base.revision
    model = Model(signature=_signature(lineage), metadata={"ddpo.policy_id": lineage.training.policy_id})
    model.add_flavor("diffusers", **flavour)
    pyfunc.add_to_model(model, loader_module="mlflow.diffusers", python_env="python_env.yaml")
    model.model_size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    model.save(str(path / "MLmodel"))


def _signature(lineage: Lineage) -> object:
    """A prompt in, a PNG out; the defaults are the settings that the policy was trained with."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    sampler = lineage.state.config.sampler
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "prompt")]),
        outputs=Schema([ColSpec(DataType.binary, "image")]),
        params=ParamSchema(
            [
                ParamSpec("num_inference_steps", DataType.integer, sampler.steps),
                ParamSpec("guidance_scale", DataType.double, sampler.guidance_scale),
                ParamSpec("negative_prompt", DataType.string, ""),
            ]
        ),
    )


def _python_env(software: dict[str, str]) -> str:
    return f"python: {software['python']}\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n"
