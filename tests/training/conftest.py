"""Files and a base for the training tests; gradients are compared, so one thread."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.policy.pipelines import random_pipeline


@pytest.fixture(scope="session")
def pipeline_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_pipeline(tmp_path_factory.mktemp("base") / "pipeline")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
