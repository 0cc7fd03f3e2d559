"""The examples in docstrings run."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module", ["dag_names", "dag_runs", "display", "estimate", "exit_codes", "forks", "local", "redaction"]
)
def test_the_examples_of_a_module_hold(module: str) -> None:
    results = doctest.testmod(importlib.import_module(f"dags.pipeline.{module}"))
    assert results.attempted > 0
    assert results.failed == 0
