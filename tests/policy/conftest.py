"""A random pipeline for a whole module of tests: weights do not matter here, classes do."""

from pathlib import Path

import pytest

from tests.policy.pipelines import random_pipeline


@pytest.fixture(scope="session")
def pipeline_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_pipeline(tmp_path_factory.mktemp("base") / "pipeline")
