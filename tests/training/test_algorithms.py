"""Every algorithm through the store: what it trains on, what it refuses, and that a killed one goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.core import store
from components.core.config import AdvantageConfig, LoraConfig, TrainingConfig
from components.core.contracts import Manifest, StepName, TrainingRequest, TrainingResult
from components.core.errors import BadData
from components.core.runner import run_request
from components.training import step
from components.training.admission import TRAJECTORIES
from tests.training.iteration import small_run
from tests.training.test_progress import killed_after, often


def settings(**training: object) -> TrainingConfig:
    return TrainingConfig.model_validate(
        {
            "updates": 2, "learning_rate": 3e-2, "clip_range": 2.5e-3, "micro_batch": 16,
            "lora": LoraConfig(rank=4, alpha=8), "advantage": AdvantageConfig(kind="group"), **training,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, pipeline_path: Path) -> TrainingRequest:
    """16 samples of 4 prompts, with rewards 0, 1, 2, 3 within each."""
    small = small_run(f"file://{tmp_path_factory.mktemp('algorithms')}", pipeline_path, training=settings())
    return small.draw(0, reward=lambda row: row.index)


def by(request: TrainingRequest, name: str, **training: object) -> TrainingRequest:
    """The same samples for another algorithm, at a prefix of its own."""
    return request.model_copy(update={"out": f"{request.out}-{name}", "training": settings(**training)})


@pytest.mark.parametrize(
    ("training", "effective", "heaviest"),
    [
        ({"algorithm": "rwr", "weighting": {"temperature": 1e6}}, 16, 1),
        ({"algorithm": "rwr_sparse", "weighting": {"top_share": 0.5}}, 8, 1),
        ({"algorithm": "raft"}, 4, 1),
    ],
)
def test_the_denoising_algorithms_train(
    drawn: TrainingRequest, training: dict[str, object], effective: float, heaviest: float
) -> None:
    """Four prompts of four: all of equal weight, the better two of each, the best of each."""
    result = TrainingResult.model_validate(
        run_request(StepName.TRAINING, by(drawn, f"{training['algorithm']}", **training)).result
    )
    assert result.metrics["effective_samples"] == pytest.approx(effective, rel=1e-3)
    assert result.metrics["weight_max"] == pytest.approx(heaviest, rel=1e-3)
    assert result.metrics["ratio_max_deviation"] <= 1e-5
    assert result.metrics["loss"] == pytest.approx(result.metrics["denoising_error"], rel=1e-3)
    assert result.metrics["grad_norm"] > 0
    assert "clip_fraction" not in result.metrics
    assert (result.samples, result.dropped) == (16, 0)
    assert result.policy_id != result.parent_id


def test_the_kl_is_a_part_of_the_loss_and_is_logged(drawn: TrainingRequest) -> None:
    """The first update starts at the base, so that both weights take the same one; the second is where KL counts."""
    small, large = (
        TrainingResult.model_validate(
            run_request(StepName.TRAINING, by(drawn, f"kl-{weight}", kl_weight=weight)).result
        )
        for weight in (1e-9, 0.5)
    )
    kl = small.metrics["kl_per_step"]
    assert kl > 0
    assert large.metrics["kl_per_step"] == pytest.approx(kl)
    assert large.metrics["loss"] - small.metrics["loss"] == pytest.approx(0.5 * kl, rel=1e-3)
    assert large.policy_id != small.policy_id


def test_a_killed_rwr_goes_on_to_the_same_bytes(drawn: TrainingRequest) -> None:
    """What is drawn for a pair is a function of its place, so nothing random has to be stored."""
    request = often(by(drawn, "killed", algorithm="rwr"))
    wanted = run_request(StepName.TRAINING, request.model_copy(update={"out": f"{request.out}-undisturbed"}))
    assert len(killed_after(request, 3)) == 3
    resumed = run_request(StepName.TRAINING, request)
    assert (resumed.content_digest, resumed.files) == (wanted.content_digest, wanted.files)


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, loading a model is the failure."""

    def load(*args: object, **options: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(step, "load_policy", load)


def with_shard(request: TrainingRequest, name: str, change: Callable[[Manifest], Manifest]) -> TrainingRequest:
    """The same request, with a copy of shard 1 whose manifest is changed."""
    shard = request.shards[1]
    copy = f"{shard.sampling}-{name}"
    shutil.copytree(shard.sampling.removeprefix("file://"), copy.removeprefix("file://"))
    marker = Path(copy.removeprefix("file://"), "COMMITTED.json")
    marker.write_text(change(store.open_committed(shard.sampling).manifest).model_dump_json())
    return request.model_copy(update={"shards": (request.shards[0], shard.model_copy(update={"sampling": copy}))})


def test_pictures_without_latents_are_refused(drawn: TrainingRequest, no_model: None) -> None:
    def without_latents(manifest: Manifest) -> Manifest:
        files = tuple(file for file in manifest.files if file.path != TRAJECTORIES)
        return manifest.model_copy(update={"files": files})

    for algorithm in ("ddpo_is", "rwr", "raft"):
        request = with_shard(by(drawn, f"bare-{algorithm}", algorithm=algorithm), f"bare-{algorithm}", without_latents)
        with pytest.raises(BadData, match=rf"shards/01/sampling-.* holds no trajectories, and {algorithm} learns from"):
            run_request(StepName.TRAINING, request)


def test_samples_of_another_policy_are_refused(drawn: TrainingRequest, no_model: None) -> None:
    def of_another(manifest: Manifest) -> Manifest:
        return manifest.model_copy(update={"result": {**manifest.result, "policy_id": "0123456789abcdef"}})

    request = with_shard(by(drawn, "stolen"), "stolen", of_another)
    with pytest.raises(BadData, match=r"sampling-stolen was drawn by policy 0123456789ab, not by [0-9a-f]{12}"):
        run_request(StepName.TRAINING, request)


def test_too_few_of_a_prompt_for_a_share_are_refused(drawn: TrainingRequest, no_model: None) -> None:
    request = by(drawn, "few", algorithm="rwr_sparse", weighting={"top_share": 0.2})
    with pytest.raises(
        BadData, match=r"top 20% of each prompt's pictures, and a-\w+ has 4 \(it takes 5 of each prompt"
    ):
        run_request(StepName.TRAINING, request)


def test_a_second_update_of_the_score_function_cannot_be_asked_for(drawn: TrainingRequest) -> None:
    tree = drawn.model_dump(mode="json")
    tree["training"] |= {"algorithm": "ddpo_sf", "updates": 1, "inner_epochs": 2}
    with pytest.raises(ValueError, match=r"exactly one update an iteration, so set inner_epochs = 1"):
        TrainingRequest.model_validate(tree)
