"""A campaign whose last policy is a real adapter on a real, small pipeline, and an empty MLflow."""

from __future__ import annotations

import copy
from pathlib import Path

import mlflow
import pytest
import torch
from diffusers import UNet2DConditionModel

from components.core.config import BaseModelConfig, LoraConfig, RunConfig
from components.core.policy_files import UNET_FILE
from components.policy import adapter
from components.policy.full_weights import save_unet
from tests.core.campaigns import SyntheticCampaign
from tests.core.mlflow_database import new_database
from tests.policy.pipelines import random_pipeline

LORA = LoraConfig(rank=4, alpha=10, targets="all")
"""alpha is not the rank, and every kind of layer has an adapter: what goes wrong silently, goes wrong here."""


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_pipeline(tmp_path_factory.mktemp("pipeline") / "base")


@pytest.fixture(scope="session")
def adapted(base: Path) -> UNet2DConditionModel:
    """The base's UNet under an adapter whose B is not zero."""
    unet = UNet2DConditionModel.from_pretrained(base, subfolder="unet")
    adapter.add_adapter(unet, LORA, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapter.trainable(unet).items():
            if "lora_B" in name:
                parameter.normal_(std=0.1, generator=generator)
    return unet


@pytest.fixture
def synthetic(base: Path, adapted: UNet2DConditionModel, file_store: str) -> SyntheticCampaign:
    """Two iterations and an evaluation, with a real adapter as policy 2."""
    config = RunConfig(iterations=2, base=BaseModelConfig(model=str(base)), training={"lora": LORA})
    campaign = SyntheticCampaign.open(file_store, config)
    campaign.evaluate(0)
    for k in range(2):
        campaign.iterate(k, adapter=adapter.save_adapter(adapted))
    campaign.evaluate(2)
    return campaign


@pytest.fixture
def whole(base: Path, adapted: UNet2DConditionModel, file_store: str) -> SyntheticCampaign:
    """The same policy as whole weights: its adapter, added to the UNet."""
    merged = copy.deepcopy(adapted)
    adapter.fold(merged)
    config = RunConfig(iterations=2, base=BaseModelConfig(model=str(base)), training={"trainable": "unet"})
    campaign = SyntheticCampaign.open(file_store, config)
    campaign.evaluate(0)
    for k in range(2):
        campaign.iterate(k, adapter=save_unet(dict(merged.named_parameters())), file=UNET_FILE)
    campaign.evaluate(2)
    return campaign


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    """MLflow as a step finds it: by its environment variable."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_database(tmp_path / "mlflow"))
    return mlflow.MlflowClient()
