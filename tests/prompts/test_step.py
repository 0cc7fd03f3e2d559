"""The step, through its runner and a real store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.core import plan, store
from components.core.config import PromptsConfig, RunConfig
from components.core.contracts import PromptsRequest, StepName
from components.core.errors import BadRequest
from components.core.layout import RunLayout
from components.core.records import PromptRow
from components.core.runner import run_request


def request(
    root: str, name: str = "prompts", *, iteration: int | None = 0, seeds: int = 4, **config: Any
) -> PromptsRequest:
    return PromptsRequest(
        out=f"{root}/{name}",
        prompts=PromptsConfig(**config),
        seed=0,
        iteration=iteration,
        evaluation_set="tiny-v1",
        evaluation_seeds=0 if iteration is not None else seeds,
    )


def rows_of(asked: PromptsRequest) -> list[PromptRow]:
    run_request(StepName.PROMPTS, asked)
    return store.open_committed(asked.out).rows("prompts.jsonl", PromptRow)


def test_an_iteration_has_k_pictures_of_each_of_n_prompts(store_root: str) -> None:
    asked = request(store_root, prompts=16, samples_per_prompt=4)
    manifest = run_request(StepName.PROMPTS, asked)
    assert manifest.result == {"rows": 64, "prompts": 16}
    rows = store.open_committed(asked.out).rows("prompts.jsonl", PromptRow)
    assert [row.index for row in rows] == [0, 1, 2, 3] * 16
    assert len({row.sample_id for row in rows}) == 64
    assert {row.split for row in rows} == {"train"}


@pytest.mark.parametrize("iteration", [5, None])
@pytest.mark.parametrize("template", ["animal", "activity", "counting"])
def test_the_same_request_gives_the_same_bytes(file_store: str, template: str, iteration: int | None) -> None:
    once, again = (request(file_store, name, iteration=iteration, template=template) for name in ("a", "b"))
    for asked in (once, again):
        run_request(StepName.PROMPTS, asked)
    assert store.open_committed(once.out).read("prompts.jsonl") == store.open_committed(again.out).read("prompts.jsonl")


def test_the_evaluation_layout_in_full(file_store: str) -> None:
    """Sixty animals, twice each: the 45 seen ones from the cat on, then the 15 that are held out."""
    rows = rows_of(request(file_store, iteration=None, seeds=2))
    assert len(rows) == 120
    assert [(r.text, r.index, r.split) for r in rows[:3]] == [
        ("a cat", 0, "seen"),
        ("a cat", 1, "seen"),
        ("a dog", 0, "seen"),
    ]
    assert [(r.text, r.index, r.split) for r in rows[-2:]] == [("an octopus", i, "held_out") for i in (0, 1)]
    assert [r.split for r in rows] == ["seen"] * 90 + ["held_out"] * 30


def test_a_list_that_is_shorter_than_an_iteration_goes_round(tmp_path: Path, file_store: str) -> None:
    (tmp_path / "two.txt").write_text("a cat\na dog\n")
    rows = rows_of(request(file_store, train=str(tmp_path / "two.txt"), prompts=5, samples_per_prompt=2))
    by_text = {text: [row.index for row in rows if row.text == text] for text in ("a cat", "a dog")}
    assert sorted(by_text.values()) == [[0, 1, 2, 3], [0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize("iteration", [3, None])
def test_a_held_out_animal_in_the_users_file_stops_training_and_evaluation(
    tmp_path: Path, file_store: str, iteration: int | None
) -> None:
    place = tmp_path / "mine.txt"
    place.write_text("a cat\nTwo Elephants dancing\n")
    with pytest.raises(BadRequest) as refused:
        run_request(StepName.PROMPTS, request(file_store, iteration=iteration, train=str(place)))
    assert str(refused.value) == (
        f"{place}, line 2: 'Two Elephants dancing' would train on the animal 'elephant', which tiny-v1 holds out "
        "(remove it, or choose another evaluation.set)"
    )


def test_every_set_is_minded_where_a_request_names_none(tmp_path: Path, file_store: str) -> None:
    (tmp_path / "mine.txt").write_text("an owl\n")
    asked = request(file_store, train=str(tmp_path / "mine.txt")).model_copy(update={"evaluation_set": None})
    with pytest.raises(BadRequest, match="tiny-v1 holds out"):
        run_request(StepName.PROMPTS, asked)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompts": PromptsConfig(train="complex-animals")}, "no training list named 'complex-animals'"),
        ({"prompts": PromptsConfig(train="tiny-v1")}, "no training list named 'tiny-v1'"),
        ({"prompts": PromptsConfig(train="no/such.txt")}, "no/such.txt cannot be read: No such file"),
        ({"evaluation_set": "huge-v1"}, r"no evaluation list named 'huge-v1' \(there is tiny-v1\)"),
        ({"iteration": None, "evaluation_set": None}, "an evaluation needs evaluation_set"),
        ({"iteration": None}, "evaluation_seeds of at least 1"),
    ],
)
def test_a_wrong_request_is_refused_by_name(file_store: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        run_request(StepName.PROMPTS, request(file_store).model_copy(update=change))
    assert store.find(f"{file_store}/prompts") is None


def test_a_planned_iteration_draws_from_the_run_and_minds_its_evaluation_set(file_store: str) -> None:
    config = RunConfig.model_validate({"prompts": {"prompts": 45, "samples_per_prompt": 1}})
    run = RunLayout.of(file_store, "run")
    asked = plan.iteration_requests(config, run, 2)["prompts"]
    assert isinstance(asked, PromptsRequest)
    assert asked.evaluation_set == "tiny-v1"
    assert len({row.text for row in rows_of(asked)}) == 45


def test_the_step_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import components.prompts.step"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
