"""Adapters: what stock diffusers loads is what was trained, for every target and any alpha."""

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from components.core.config import BaseModelConfig, LoraConfig
from components.core.contracts import PolicyRef
from components.core.errors import BadData, MissingInput
from components.core.policy_files import ADAPTER_FILE
from components.policy import adapter
from components.policy.load import load_policy


@pytest.fixture
def unet(pipeline_path):
    return load_policy(PolicyRef(base=BaseModelConfig(model=str(pipeline_path)))).unet


def trained(unet, lora: LoraConfig, *, seed: int = 3):
    """An adapter as if trained: B is not zero."""
    adapter.add_adapter(unet, lora, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for parameter in adapter.trainable(unet).values():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return unet


@torch.no_grad()
def prediction(unet) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    latents, context = (torch.randn(2, *shape, generator=generator) for shape in [(4, 4, 4), (24, 16)])
    return unet(latents, torch.tensor([3, 800]), context).sample


def test_a_fresh_adapter_changes_nothing(unet):
    before = prediction(unet)
    adapter.add_adapter(unet, LoraConfig(), seed=0)
    assert torch.equal(prediction(unet), before)


@pytest.mark.parametrize("lora", [LoraConfig(rank=4, alpha=16), LoraConfig(rank=4, alpha=1, targets="attention")])
def test_stock_diffusers_loads_the_adapter_that_was_trained(unet, pipeline_path, tmp_path, lora):
    """All targets, alpha unlike rank, B not zero: the trap in which adapters get lost silently."""
    bare = prediction(unet)
    expected = prediction(trained(unet, lora))
    (tmp_path / ADAPTER_FILE).write_bytes(adapter.save_adapter(unet))
    stock = StableDiffusionPipeline.from_pretrained(pipeline_path)
    stock.load_lora_weights(tmp_path)
    torch.testing.assert_close(prediction(stock.unet), expected, rtol=0, atol=1e-6)
    assert (expected - bare).abs().max() > 1e-3


def test_saving_what_was_loaded_gives_the_same_bytes(unet, pipeline_path):
    data = adapter.save_adapter(trained(unet, LoraConfig(rank=2, alpha=3)))
    again = load_policy(PolicyRef(base=BaseModelConfig(model=str(pipeline_path)))).unet
    adapter.load_adapter(again, data, source="here")
    assert adapter.save_adapter(again) == data


def test_the_same_seed_gives_the_same_adapter(unet, pipeline_path):
    other = load_policy(PolicyRef(base=BaseModelConfig(model=str(pipeline_path)))).unet
    for each in (unet, other):
        adapter.add_adapter(each, LoraConfig(), seed=9)
    assert adapter.save_adapter(unet) == adapter.save_adapter(other)


def test_only_the_adapter_is_trainable(unet):
    adapter.add_adapter(unet, LoraConfig(), seed=0)
    names = adapter.trainable(unet)
    assert names
    assert all("lora_" in name for name in names)


def test_folding_keeps_the_policy(unet):
    """To 1e-5 on predictions of order 1; peers that fold in 16 bits lose half the update."""
    expected = prediction(trained(unet, LoraConfig(rank=4, alpha=8)))
    adapter.fold(unet)
    assert not any("lora_" in name for name, _ in unet.named_parameters())
    torch.testing.assert_close(prediction(unet), expected, rtol=0, atol=1e-5)


def test_an_adapter_of_another_base_is_refused(unet):
    tensors = load_tensors(adapter.save_adapter(trained(unet, LoraConfig())))
    wide = {name: torch.cat([t, t], dim=-1) if "lora_A" in name else t for name, t in tensors.items()}
    metadata = adapter._metadata(adapter.save_adapter(unet))
    with pytest.raises(BadData, match="does not fit this base"):
        adapter.load_adapter(load_bare(unet), save_tensors(wide, metadata=metadata), source="x")


def test_rubbish_is_refused_by_name(unet):
    with pytest.raises(BadData, match=r"run/x\.safetensors is not an adapter"):
        adapter.load_adapter(unet, b"rubbish", source="run/x.safetensors")


def test_a_base_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingInput, match="no base model at"):
        load_policy(PolicyRef(base=BaseModelConfig(model=str(tmp_path / "nothing"))))


def load_bare(unet):
    unet.unload_lora()
    return unet
