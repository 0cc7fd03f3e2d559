"""The house as it is drawn: what drifts apart from its description fails here."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.core.contracts import REQUESTS, RESULTS, StepName
from components.core.errors import FINAL_EXIT_CODES, StepError

ROOT = Path(__file__).resolve().parents[1]
STEPS = list(StepName)
HEAVY = ("torch", "diffusers", "transformers", "peft", "mlflow", "airflow")


@pytest.mark.parametrize("step", STEPS)
def test_each_step_has_its_command_its_story_and_its_page(step):
    """Three lines of __main__, a module docstring that says what it reads, writes and needs, and a README."""
    room = ROOT / "components" / step
    main = (room / "__main__.py").read_text()
    assert f"StepName.{step.name}" in main
    assert len([line for line in main.splitlines() if line.strip() and not line.startswith('"""')]) <= 4
    story = (room / "step.py").read_text()
    assert all(re.search(rf"^{word} ", story, re.MULTILINE) for word in ("Reads", "Writes", "Needs"))
    assert f"python -m components.{step} --request" in (room / "README.md").read_text()


@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_on_the_map(step):
    assert f"[{step}]({step}/README.md)" in (ROOT / "components/README.md").read_text()
    assert step in REQUESTS
    assert step in RESULTS


def test_every_exit_code_is_on_the_map():
    page = (ROOT / "components/README.md").read_text()
    importlib.import_module("components.core.errors")
    for kind in StepError.__subclasses__():
        assert re.search(rf"^\| {kind.exit_code} \|", page, re.MULTILINE), kind
        assert (kind.exit_code in FINAL_EXIT_CODES) != kind.retried, kind


@pytest.mark.parametrize("package", ["components.core", "components.prompts", "components.evaluation"])
def test_light_code_runs_without_the_ml_stack(package):
    """Every module imports in a fresh process in which the heavy packages cannot be imported."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / package.replace(".", "/")).rglob("*.py"))
        if path.name != "__main__.py"
    ]
    block = f"import sys; sys.modules.update(dict.fromkeys({HEAVY!r}))"
    subprocess.run([sys.executable, "-c", f"{block}; import {', '.join(modules)}"], check=True, cwd=ROOT)


def test_every_decision_says_how_to_break_it():
    for page in (ROOT / "docs/adr").glob("*.md"):
        last = page.read_text().rstrip().split("\n\n")[-1]
        assert last.startswith("A change violates this decision when "), page.name


def test_links_in_the_pages_lead_somewhere():
    pages = [p for p in ROOT.rglob("*.md") if not {".venv", ".ddpo", "node_modules"} & set(p.relative_to(ROOT).parts)]
    assert ROOT / "README.md" in pages
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} -> {target}"


def test_make_lists_its_commands():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"demo", "test", "up", "down", "proofs"} <= set(re.findall(r"make (\w+)", listed))


def test_a_file_is_named_for_its_subject():
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    named = [p for room in ("components", "dags", "tests", "benchmarks") for p in (ROOT / room).rglob("*.py")]
    assert not [p for p in named if p.stem in vague]
