"""The running mean of what is trained: numbers by hand, over iterations, and in a file that stock diffusers loads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load as load_tensors

from components.core import store
from components.core.errors import BadData
from components.core.policy_files import ADAPTER_FILE
from components.policy.adapter import load_adapter, trainable
from components.policy.load import load_policy
from components.training.average import AVERAGE_FILE, WeightAverage
from components.training.trained import WholeUnet
from tests.training.iteration import SmallRun, small_run

NAME = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_q.lora_B.weight"


def numbers() -> WholeUnet:
    """Two weights."""
    return WholeUnet(torch.nn.ParameterDict({"a": torch.nn.Parameter(torch.zeros(2))}))


def test_the_mean_by_hand() -> None:
    """Decay 0.9 from 0: after 1 it is 0.1, after 2 it is 0.9 x 0.1 + 0.1 x 2 = 0.29; the weights stay what they are."""
    trained = numbers()
    average = WeightAverage(trained, 0.9)
    for value, mean in ((1.0, 0.1), (2.0, 0.29)):
        trained.parameters["a"].data.fill_(value)
        average.update()
        assert average.mean["a"].tolist() == pytest.approx([mean, mean])
    assert load_tensors(average.save())["a"].tolist() == pytest.approx([0.29, 0.29])
    assert trained.parameters["a"].tolist() == [2.0, 2.0]


def averaged(root: str, base: Path, decay: float) -> SmallRun:
    small = small_run(root, base)
    training = small.config.training.model_copy(update={"ema_decay": decay, "updates": 1})
    return SmallRun(small.run, small.config.model_copy(update={"training": training}))


def files(small: SmallRun, k: int) -> dict[str, dict[str, torch.Tensor]]:
    committed = store.open_committed(small.run.training(k))
    return {file.path: load_tensors(committed.read(file.path)) for file in committed.manifest.files}


def test_the_mean_goes_on_over_iterations_and_changes_no_policy(tmp_path: Path, pipeline_path: Path) -> None:
    """One update an iteration, B from 0: the mean is 0.25 B1, then 0.75 x 0.25 B1 + 0.25 B2. Policies: equal."""
    small = averaged(f"file://{tmp_path}/with", pipeline_path, 0.75)
    without = averaged(f"file://{tmp_path}/without", pipeline_path, 0.0)
    ids = [[run.play(k).result["policy_id"] for k in range(2)] for run in (small, without)]
    assert ids[0] == ids[1]
    assert AVERAGE_FILE not in files(without, 1)

    first, second = files(small, 0), files(small, 1)
    b1, b2 = first[ADAPTER_FILE][NAME], second[ADAPTER_FILE][NAME]
    assert float((b2 - b1).abs().max()) > 1e-3
    torch.testing.assert_close(first[AVERAGE_FILE][NAME], 0.25 * b1)
    torch.testing.assert_close(second[AVERAGE_FILE][NAME], 0.1875 * b1 + 0.25 * b2)

    policy = load_policy(small.draw(0).policy)
    load_adapter(policy.unet, store.open_committed(small.run.training(1)).read(AVERAGE_FILE), source="mean")
    loaded = trainable(policy.unet)[NAME.removeprefix("unet.").replace("lora_B", "lora_B.default")]
    assert torch.equal(loaded, second[AVERAGE_FILE][NAME])


def test_the_mean_of_other_parameters_is_refused() -> None:
    average = WeightAverage(numbers(), 0.9)
    with pytest.raises(BadData, match="here holds the mean of other parameters"):
        average.set({"a": torch.zeros(3)}, source="here")
