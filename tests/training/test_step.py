"""The training step through the store: what it refuses, what it drops, and that a repeat is the same policy."""

import numpy as np
import pytest
from safetensors.torch import load as load_tensors

from components.core import store
from components.core.config import AdvantageConfig, TrainingConfig
from components.core.contracts import StepName, TrainingRequest, TrainingResult
from components.core.errors import BadData, BadRequest, Unavailable
from components.core.policy_files import ADAPTER_FILE
from components.core.runner import run_request
from tests.training.iteration import SmallRun, pixel_reward, small_run


def without(missing: set[str]):
    return lambda row: None if row.sample_id in missing else pixel_reward(row)


def adapter_of(request: TrainingRequest) -> dict[str, np.ndarray]:
    tensors = load_tensors(store.open_committed(request.out).read(ADAPTER_FILE))
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def test_a_second_run_does_no_work(store_root, pipeline_path):
    """The same request again is answered by the commit: not one object more, and the same manifest."""
    small = small_run(store_root, pipeline_path)
    request = small.draw(0)
    first = run_request(StepName.TRAINING, request)
    objects = store.children(f"{request.out}/attempts")
    assert run_request(StepName.TRAINING, request) == first
    assert store.children(f"{request.out}/attempts") == objects


def test_moments_travel_through_the_store(tmp_path, pipeline_path):
    """A second iteration is the same bytes wherever it runs, and another where the optimiser forgets the first."""
    policies = {}
    for name in ("here", "there"):
        small = small_run(f"file://{tmp_path}/{name}", pipeline_path)
        small.play(0)
        request = small.draw(1)
        run_request(StepName.TRAINING, request)
        policies[name] = adapter_of(request)
    for tensor, value in policies["here"].items():
        assert np.array_equal(value, policies["there"][tensor])

    forgetful = request.model_copy(update={"out": f"{request.out}-fresh", "fresh_optimizer": True})
    run_request(StepName.TRAINING, forgetful)
    assert any(
        np.abs(value - adapter_of(forgetful)[tensor]).max() > 1e-4 for tensor, value in policies["there"].items()
    )


def test_policies_form_a_chain(tmp_path, pipeline_path):
    small = small_run(f"file://{tmp_path}", pipeline_path)
    first, second = (TrainingResult.model_validate(small.play(k).result) for k in range(2))
    assert second.parent_id == first.policy_id
    assert len({first.parent_id, first.policy_id, second.policy_id}) == 3


def test_missing_rewards_are_dropped_and_counted(tmp_path, pipeline_path):
    """1 of 64 is below 5 %: 63 samples are trained on, and the mean reward is that of the 63."""
    config = {"prompts": small_run(f"file://{tmp_path}", pipeline_path).config.prompts.model_copy(
        update={"samples_per_prompt": 16})}  # fmt: skip
    small = small_run_with(tmp_path, pipeline_path, config)
    result = TrainingResult.model_validate(small.play(0, reward=without({"a-cat-003"})).result)
    assert (result.samples, result.dropped) == (63, 1)


def test_above_five_per_cent_missing_the_step_waits(tmp_path, pipeline_path):
    """1 of 16 is 6 %: exit code 75, to be retried, and nothing is committed."""
    small = small_run(f"file://{tmp_path}", pipeline_path)
    request = small.draw(0, reward=without({"a-cat-003"}))
    with pytest.raises(Unavailable, match="1 of 16 rewards are missing") as caught:
        run_request(StepName.TRAINING, request)
    assert caught.value.exit_code == 75
    assert store.find(request.out) is None


@pytest.mark.parametrize("kind", ["history", "group"])
def test_a_scorer_that_changed_within_the_run_is_refused(tmp_path, pipeline_path, kind):
    """Whatever the advantage: rewards of two scorers are no curve."""
    training = TrainingConfig(updates=2, advantage=AdvantageConfig(kind=kind))
    small = small_run(f"file://{tmp_path}", pipeline_path, training=training)
    small.play(0)
    with pytest.raises(BadData, match="2 identities in this run's history"):
        small.play(1, scorer_id="pixels@2")


def test_a_corrupt_shard_is_named(tmp_path, pipeline_path):
    small = small_run(f"file://{tmp_path}", pipeline_path)
    request = small.draw(0)
    committed = store.open_committed(request.shards[1].sampling)
    path = tmp_path / f"runs/small/iterations/0000/shards/01/sampling/attempts/{committed.manifest.attempt}"
    whole = (path / "trajectories.safetensors").read_bytes()
    (path / "trajectories.safetensors").write_bytes(whole[:-1])
    with pytest.raises(BadData, match=r"shards/01/sampling.*trajectories\.safetensors"):
        run_request(StepName.TRAINING, request)


def test_integer_rewards_train(tmp_path, pipeline_path):
    """Ranks 0..3 within each prompt, as integers: mean absolute advantage (3 + 1 + 1 + 3) / 4 / sqrt(5) = 0.894."""
    small = small_run(f"file://{tmp_path}", pipeline_path)
    result = TrainingResult.model_validate(small.play(0, reward=lambda row: int(row.index)).result)
    assert result.metrics["advantage_mean_abs"] == pytest.approx(2 / np.sqrt(5), abs=1e-4)
    assert result.metrics["grad_norm"] > 0


def small_run_with(tmp_path, pipeline_path, parts):
    small = small_run(f"file://{tmp_path}/sized", pipeline_path)
    return type(small)(small.run, small.config.model_copy(update=parts))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_16_bit_base_has_an_adapter_in_fp32_and_a_ratio_of_one(tmp_path, pipeline_path, dtype):
    """Half-precision base, fp32 adapter and moments: two iterations train, and nothing becomes NaN."""
    small = small_run(f"file://{tmp_path}", pipeline_path)
    base = small.config.base.model_copy(update={"dtype": dtype})
    small = SmallRun(small.run, small.config.model_copy(update={"base": base}))
    for k in range(2):
        metrics = TrainingResult.model_validate(small.play(k).result).metrics
        assert metrics["ratio_max_deviation"] <= 1e-5
    tensors = load_tensors(store.open_committed(small.run.training(1)).read(ADAPTER_FILE))
    assert {str(t.dtype) for t in tensors.values()} == {"torch.float32"}
    assert all(bool(t.isfinite().all()) for t in tensors.values())


@pytest.mark.parametrize(("name", "value"), [("steps", 8), ("guidance_scale", 1.0), ("eta", 0.5)])
def test_samples_of_another_sampler_are_refused_before_a_model_is_loaded(
    tmp_path, pipeline_path, monkeypatch, name, value
):
    request = small_run(f"file://{tmp_path}", pipeline_path).draw(0)
    sampler = request.sampler.model_copy(update={name: value})
    drawn = getattr(request.sampler, name)
    monkeypatch.setattr("components.training.step.load_policy", None)
    with pytest.raises(BadData, match=rf"was drawn with sampler\.{name} = {drawn}, and is trained on with {value}"):
        run_request(StepName.TRAINING, request.model_copy(update={"sampler": sampler, "out": f"{request.out}-other"}))


def test_rewards_are_looked_at_before_a_model_is_loaded(tmp_path, pipeline_path, monkeypatch):
    request = small_run(f"file://{tmp_path}", pipeline_path).draw(0, reward=lambda row: None)
    monkeypatch.setattr("components.training.step.load_policy", None)
    with pytest.raises(Unavailable, match="16 of 16 rewards are missing"):
        run_request(StepName.TRAINING, request)


def test_an_adapter_of_another_shape_is_not_gone_on_with(tmp_path, pipeline_path):
    """Rank 4, alpha 8 on every layer is what iteration 0 made; the config now says rank 8."""
    small = small_run(f"file://{tmp_path}", pipeline_path)
    small.play(0)
    request = small.draw(1)
    lora = request.training.lora.model_copy(update={"rank": 8})
    training = request.training.model_copy(update={"lora": lora})
    said = "an adapter of rank 4, alpha 8, targets all, and training.lora asks for rank 8, alpha 8, targets all"
    with pytest.raises(BadRequest, match=said):
        run_request(StepName.TRAINING, request.model_copy(update={"training": training, "out": f"{request.out}-other"}))
