"""Training every weight of the UNet: masters by hand, the ratio on 16 bits, and files that go on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load as load_tensors

from components.core import store
from components.core.config import AdvantageConfig, BaseModelConfig, RunConfig, TrainingConfig
from components.core.errors import BadRequest
from components.core.policy_files import UNET_FILE
from components.policy.load import load_policy
from components.training.average import AVERAGE_FILE
from components.training.step import run as train
from components.training.trained import WholeUnet
from tests.training.iteration import SmallRun, small_run

WHOLE = TrainingConfig(
    trainable="unet", updates=2, learning_rate=1e-4, clip_range=2.5e-3, micro_batch=16, ema_decay=0.5,
    advantage=AdvantageConfig(kind="group"),
)  # fmt: skip


def test_masters_keep_what_16_bits_cannot() -> None:
    """Below 1, bf16 has 1 - 2^-8. Eight steps of 0.001 are 0.992, and rounded 0.9921875; each alone would be lost.

    So would a gradient of 0.001 beside one of 1: the master has 1.001.
    """
    module = torch.nn.ParameterDict({"a": torch.nn.Parameter(torch.ones(1, dtype=torch.bfloat16))})
    trained = WholeUnet(module)
    (master,) = trained.parameters.values()
    optimizer = torch.optim.SGD([master], lr=1e-3)
    for step in range(8):
        optimizer.zero_grad()
        module["a"].sum().backward()
        optimizer.step()
        trained.publish()
        assert float(module["a"].detach()) == (1.0, 0.99609375, 0.9921875)[(step + 3) // 4], step
    assert float(master.detach()) == pytest.approx(0.992)

    optimizer.zero_grad()
    module["a"].sum().backward()
    (module["a"] * 0.001).sum().backward()
    assert master.grad is not None
    assert float(master.grad) == pytest.approx(1.001, abs=1e-5)
    assert module["a"].grad is None


def whole(root: str, base: Path, dtype: str, **settings: object) -> SmallRun:
    model = BaseModelConfig.model_validate({"model": str(base), "dtype": dtype})
    small = small_run(root, base, training=WHOLE.model_copy(update=settings))
    return SmallRun(small.run, small.config.model_copy(update={"base": model}))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("bfloat16", 1e-6)])
def test_the_ratio_is_one_after_every_weight_has_moved(
    tmp_path: Path, pipeline_path: Path, dtype: str, tolerance: float
) -> None:
    """Iteration 1 samples from the stored file and trains on it: both compute with the same rounded weights."""
    small = whole(tmp_path.as_uri(), pipeline_path, dtype)
    first, second = small.play(0), small.play(1)
    assert second.result["parent_id"] == first.result["policy_id"] != second.result["policy_id"]
    metrics = second.result["metrics"]
    assert metrics["ratio_max_deviation"] <= tolerance
    assert metrics["kl_to_base"] > 0

    files = [load_tensors(store.open_committed(small.run.training(k)).read(UNET_FILE)) for k in (0, 1)]
    assert all(tensor.dtype == torch.float32 for tensor in files[1].values())
    unmoved = [name for name in files[0] if torch.equal(files[0][name], files[1][name])]
    assert unmoved == []
    if dtype == "bfloat16":
        rounded = [t.to(torch.bfloat16).float() for t in files[0].values()]
        assert not all(map(torch.equal, rounded, files[0].values())), "masters that were rounded are none"
        moved = max(float((files[1][n] - files[0][n]).abs().max()) for n in files[0])
        assert moved <= 2.2 * WHOLE.learning_rate, "two AdamW updates from the masters, not from what they round to"


def test_the_file_is_a_unet_of_stock_diffusers_and_the_mean_is_another(tmp_path: Path, pipeline_path: Path) -> None:
    """Loaded by diffusers alone, it predicts what the policy predicts."""
    small = whole(tmp_path.as_uri(), pipeline_path, "float32")
    small.play(0)
    policy = load_policy(small.draw(1).policy)
    stock = UNet2DConditionModel.from_pretrained(pipeline_path, subfolder="unet")
    committed = store.open_committed(small.run.training(0))
    missing = stock.load_state_dict(load_tensors(committed.read(UNET_FILE)))
    assert not missing.missing_keys
    assert not missing.unexpected_keys
    latents, t, text = torch.randn(1, *policy.latent_shape), torch.tensor([500]), policy.embed(["a fox"])
    with torch.no_grad():
        assert torch.equal(stock(latents, t, text).sample, policy.unet(latents, t, text).sample)

    weights, mean = (load_tensors(committed.read(name)) for name in (UNET_FILE, AVERAGE_FILE))
    start = dict(policy.base_unet.named_parameters())
    name = "conv_in.weight"
    between = (mean[name] - start[name]).abs() <= (weights[name] - start[name]).abs() + 2e-4
    assert bool(between.all())
    assert not torch.equal(mean[name], weights[name])


def test_what_was_trained_otherwise_is_not_gone_on_with(tmp_path: Path, pipeline_path: Path) -> None:
    """Refused before a sample is read: whole weights from an adapter, and an adapter from whole weights."""
    adapted = small_run(tmp_path.as_uri(), pipeline_path, name="adapter")
    adapted.play(0)
    request = whole(tmp_path.as_uri(), pipeline_path, "float32").draw(0)
    policy = request.policy.model_copy(update={"adapter": adapted.run.training(0)})
    with (
        pytest.raises(BadRequest, match=r"holds pytorch_lora_weights\.safetensors, which training\.trainable = 'unet'"),
        store.Attempt(request.out, step="training") as attempt,
    ):
        train(request.model_copy(update={"policy": policy}), attempt)


def test_float16_would_lose_gradients() -> None:
    with pytest.raises(ValueError, match="in float16 loses small gradients: use bfloat16 or float32"):
        RunConfig(base=BaseModelConfig(dtype="float16"), training=TrainingConfig(trainable="unet"))
