"""One plan for all tests of a worker: it takes the AWS provider some seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra import terraform_plan
from tests.infra.terraform_plan import Planned


@pytest.fixture(scope="session")
def terraform_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised copy of infra/terraform."""
    return terraform_plan.prepared(tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session")
def planned(terraform_directory: Path) -> Planned:
    """What the example's variables would make."""
    return terraform_plan.plan(terraform_directory)
