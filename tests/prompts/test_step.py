"""The step, through its runner and a real store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.core import opening, plan, store
from components.core.config import PromptsConfig, RunConfig
from components.core.contracts import PromptsRequest, StepName
from components.core.errors import BadRequest
from components.core.layout import RunLayout
from components.core.records import PromptRow
from components.core.runner import run_request


def request(
    root: str,
    name: str = "prompts",
    *,
    iteration: int | None = 0,
    seeds: int = 4,
    file: str | None = None,
    **config: Any,
) -> PromptsRequest:
    return PromptsRequest(
        out=f"{root}/{name}",
        prompts=PromptsConfig(**config),
        seed=0,
        iteration=iteration,
        evaluation_set="tiny-v1",
        evaluation_seeds=0 if iteration is not None else seeds,
        file=file,
    )


def frozen(root: str, place: Path, text: str, **config: Any) -> dict[str, Any]:
    """A user's file, and what a request says of it once a run was opened with it."""
    place.write_text(text)
    run = opening.open_run(root, "own-prompts", RunConfig(prompts=PromptsConfig(train=str(place))))
    return {"train": str(place), "file": run.uri, **config}


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


def test_the_real_models_layout_in_full(file_store: str) -> None:
    """140 prompts, twice each: 45 seen, 45 unseen animals, 50 objects. An object has a text and nothing else."""
    asked = request(file_store, iteration=None, seeds=2).model_copy(update={"evaluation_set": "animals-v1"})
    rows = rows_of(asked)
    assert [r.split for r in rows] == ["seen"] * 90 + ["held_out"] * 90 + ["held_out_objects"] * 100
    assert (rows[180].text, rows[-3].text) == ("an airplane", "an umbrella")
    assert {(r.animal, r.activity, r.count) for r in rows[180:]} == {(None, None, None)}


def test_a_list_that_is_shorter_than_an_iteration_goes_round(tmp_path: Path, file_store: str) -> None:
    own = frozen(file_store, tmp_path / "two.txt", "a cat\na dog\n", prompts=5, samples_per_prompt=2)
    rows = rows_of(request(file_store, **own))
    by_text = {text: [row.index for row in rows if row.text == text] for text in ("a cat", "a dog")}
    assert sorted(by_text.values()) == [[0, 1, 2, 3], [0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize("iteration", [3, None])
def test_a_held_out_animal_in_the_users_file_stops_training_and_evaluation(
    tmp_path: Path, file_store: str, iteration: int | None
) -> None:
    place = tmp_path / "mine.txt"
    own = frozen(file_store, place, "a cat\nTwo Elephants dancing\n")
    with pytest.raises(BadRequest) as refused:
        run_request(StepName.PROMPTS, request(file_store, iteration=iteration, **own))
    assert str(refused.value) == (
        f"{place}, line 2: 'Two Elephants dancing' would train on the animal 'elephant', which tiny-v1 holds out "
        "(remove it, or choose another evaluation.set)"
    )


def test_every_set_is_minded_where_a_request_names_none(tmp_path: Path, file_store: str) -> None:
    for run, (text, holder) in enumerate({"a salmon": "tiny-v1", "a hamster": "animals-v1"}.items()):
        own = frozen(f"{file_store}/{run}", tmp_path / "mine.txt", text)
        asked = request(f"{file_store}/{run}", **own).model_copy(update={"evaluation_set": None})
        with pytest.raises(BadRequest, match=f"{holder} holds out"):
            run_request(StepName.PROMPTS, asked)


def test_a_run_goes_on_unchanged_when_the_users_file_changes_or_vanishes(tmp_path: Path, store_root: str) -> None:
    """Iterations 0, 1 and 2 draw from the file of the opening: as it was, changed since, and gone."""
    place, other = tmp_path / "mine.txt", tmp_path / "other.txt"
    lines = ["a red cat", "a tin robot", "two geese"]
    own = frozen(store_root, place, "\n".join(lines), prompts=3, samples_per_prompt=1)
    drawn = [rows_of(request(store_root, "0", iteration=0, **own))]
    place.write_text("a dog\n")
    drawn.append(rows_of(request(store_root, "1", iteration=1, **own)))
    place.unlink()
    drawn.append(rows_of(request(store_root, "2", iteration=2, **own)))
    assert [sorted(row.text for row in rows) for rows in drawn] == [lines] * 3
    # another file of the same content is the same draw: nothing but the frozen bytes has a say
    again = frozen(f"{store_root}/again", other, "\n".join(lines), prompts=3, samples_per_prompt=1)
    assert [rows_of(request(store_root, f"again-{k}", iteration=k, **again)) for k in range(3)] == drawn


def test_a_planned_run_reads_the_file_from_its_opening(tmp_path: Path, store_root: str) -> None:
    place = tmp_path / "mine.txt"
    own = frozen(store_root, place, "a tin robot\n")
    config, run = RunConfig(prompts=PromptsConfig(train=str(place), prompts=1)), RunLayout(own["file"])
    place.unlink()
    asked = plan.iteration_requests(config, run, 0)["prompts"]
    laid_out = plan.evaluation_prompts_request(config, run)
    assert isinstance(asked, PromptsRequest)
    assert [row.text for row in rows_of(asked)] == ["a tin robot"] * 4
    assert rows_of(laid_out)[0].text == "a cat"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompts": PromptsConfig(train="complex-animals")}, "no training list named 'complex-animals'"),
        ({"prompts": PromptsConfig(train="tiny-v1")}, "no training list named 'tiny-v1'"),
        ({"prompts": PromptsConfig(train="my/own.txt")}, "'my/own.txt' is a file, .* does not say where it is frozen"),
        ({"evaluation_set": "huge-v1"}, r"no evaluation list named 'huge-v1' \(there is animals-v1, tiny-v1\)"),
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
