"""The presets of Stable Diffusion 1.5 as they stand, on small random weights in a store, where the real ones would be.

Names, commits, file names and options are the presets' own; only sizes are changed. No hub, no download.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch

from components.core import opening, store, weights
from components.core.config import RunConfig
from components.core.contracts import ScoringRequest, ScoringResult, StepName, TrainingResult
from components.core.layout import RunLayout
from components.core.plan import iteration_requests, scorers
from components.core.records import RewardRow
from components.core.runner import run_request
from dags.pipeline import presets
from tests.core.mirrored import mirror
from tests.policy.pipelines import random_stable_diffusion
from tests.scoring.captioners import small_models
from tests.scoring.rewards import published

NAMES = [name for name in presets.names() if name.startswith("sd15-")]
SMALL = (
    "prompts.prompts=2", "prompts.samples_per_prompt=2", "prompts.shards=1", "sampler.steps=2", "sampler.batch=4",
    "base.dtype=float32", "sampler.latents_dtype=float32", "training.updates=1", "training.advantage.kind=group",
)  # fmt: skip
FULL_PRECISION = ("reward.options.captioner.dtype=fp32",)
"""Half precision needs a GPU."""


def aesthetic_head(path: Path) -> Path:
    path.mkdir()
    head = published.draw(published.head_shapes(published.WIDTH))
    torch.save(head, path / "aesthetic-model.pth")
    return path


def clip(path: Path) -> Path:
    published.small_clip(path)
    return path


def processors(path: Path) -> Path:
    published.clip_processors(path)
    (path / "model.safetensors").write_bytes(b"")  # what is beside them is not read
    return path


SMALL_MODELS: dict[str, Any] = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": random_stable_diffusion,
    "openai/clip-vit-large-patch14": clip,
    "trl-lib/ddpo-aesthetic-predictor": aesthetic_head,
    "yuvalkirstain/PickScore_v1": clip,
    "laion/CLIP-ViT-H-14-laion2B-s32B-b79K": processors,
    "llava-hf/llava-1.5-7b-hf": small_models.llava,
    "microsoft/deberta-xlarge-mnli": lambda path: small_models.deberta(path, layers=41),
}
PICKLED = {
    "trl-lib/ddpo-aesthetic-predictor": "aesthetic-model.pth",
    "microsoft/deberta-xlarge-mnli": "pytorch_model.bin",
}


def models_of(tree: Any) -> dict[str, str]:
    """Every hub model of a config, with its commit: `model` goes with `revision`, `head` with `head_revision`."""
    if isinstance(tree, list):
        return {name: commit for item in tree for name, commit in models_of(item).items()}
    if not isinstance(tree, dict):
        return {}
    found = {
        value: str(tree.get("revision" if key == "model" else f"{key}_revision"))
        for key, value in tree.items()
        if isinstance(value, str) and weights.HUB_ID.fullmatch(value)
    }
    return {name: commit for item in tree.values() for name, commit in models_of(item).items()} | found


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with a mirror of everything that a preset names, under the commit that it names."""
    place = tmp_path_factory.mktemp("sd15")
    wanted: dict[str, str] = {}
    for name in NAMES:
        wanted |= models_of(tomllib.loads(presets.path(name).read_text()))
    uri = (place / "store").as_uri()
    for model, commit in wanted.items():
        directory = SMALL_MODELS[model](place / model.replace("/", "--"))
        mirror(uri, directory, commit, model=model, include=(PICKLED[model],) if model in PICKLED else ())
    return uri


@pytest.fixture(autouse=True)
def offline(tmp_path_factory: pytest.TempPathFactory, stocked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPO_STORE", stocked)
    monkeypatch.setenv("DDPO_MODELS", str(tmp_path_factory.getbasetemp() / "sd15-models"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_pins_every_model_by_its_commit_and_has_a_judge_that_is_not_its_reward(name: str) -> None:
    tree = tomllib.loads(presets.path(name).read_text())
    assert {model for model, commit in models_of(tree).items() if not weights.is_pinned(commit)} == set()
    config = presets.resolve(name)
    assert {judge.name for judge in config.evaluation.judges} - {config.reward.name}


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_spends_what_the_paper_spends(name: str) -> None:
    """256 pictures an iteration, 288 for alignment; 100 iterations of four updates for JPEG, else 200 of two."""
    config = presets.resolve(name)
    jpeg = "compressibility" in name
    assert config.samples_per_iteration == (288 if name == "sd15-alignment" else 256)
    assert (config.iterations, config.training.updates) == ((100, 4) if jpeg else (200, 2))
    assert config.training.advantage.buffer == (16 if jpeg else 32)


@pytest.mark.parametrize("name", NAMES)
def test_an_iteration_of_a_preset_runs_offline_from_mirrors(name: str, stocked: str) -> None:
    """Prompts, sampling, scoring by the reward and by every judge and probe, training at ratio 1.

    The gradient is 0 where all got the same reward, as from a captioner of random weights that cannot count.
    """
    captioned = "captioner" in presets.path(name).read_text()
    config = presets.resolve(name, [*SMALL, *(FULL_PRECISION if captioned else ())])
    run = opening.open_run(stocked, name, config)
    requests = iteration_requests(config, run, 0)
    for step in (StepName.PROMPTS, StepName.SAMPLING):
        run_request(step, next(request for key, request in requests.items() if key.startswith(step)))
    judged = score_by_all(config, run)
    assert judged.missing == 0

    scored = run_request(StepName.SCORING, requests["scoring-00"])
    rewards = store.open_committed(run.scoring(0, 0)).rows("rewards.jsonl", RewardRow)
    assert ScoringResult.model_validate(scored.result).scorer_ids.items() <= judged.scorer_ids.items()
    assert len(rewards) == 4

    trained = TrainingResult.model_validate(run_request(StepName.TRAINING, requests["training"]).result)
    assert trained.metrics["ratio_max_deviation"] < 1e-5
    assert (trained.metrics["grad_norm"] > 0) == (len({row.reward for row in rewards}) > 1)


def score_by_all(config: RunConfig, run: RunLayout) -> ScoringResult:
    """The reward, the judges and the probes, as an evaluation asks them."""
    request = ScoringRequest(
        out=run.evaluation_scoring("policy-0000", 0), sampling=run.sampling(0, 0), scorers=scorers(config)
    )
    return ScoringResult.model_validate(run_request(StepName.SCORING, request).result)
