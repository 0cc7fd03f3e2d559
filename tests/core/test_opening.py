"""A run is opened once: its prompts, its champion and what it is made of are those of that moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core import opening, promotion, store
from components.core.campaign import load
from components.core.config import parse_config
from components.core.errors import BadRequest, Conflict, MissingInput
from components.core.opening import open_run
from components.core.promotion import Candidate
from tests.core.campaigns import base_directory


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, object]:
    """A config that names a prompt file."""
    (tmp_path / "mine.txt").write_text("a red cat\na blue cat\n")
    base = base_directory(tmp_path / "base").model_dump()
    return {"base": base, "prompts": {"train": str(tmp_path / "mine.txt"), "prompts": 2}}


def candidate(run: str = "s3://elsewhere/runs/z", base_id: str = "", k: int = 4) -> Candidate:
    """A policy that may become champion."""
    return Candidate(
        policy_id=f"policy-{k}",
        base_id=base_id,
        run=run,
        policy=k,
        training=f"{run}/iterations/{k - 1:04d}/training",
        registration=f"{run}/registrations/{k:04d}",
    )


def test_a_prompt_file_is_frozen_with_the_run(store_root: str, tree: dict, tmp_path: Path) -> None:
    run = open_run(store_root, "a", parse_config(tree))
    (tmp_path / "mine.txt").unlink()
    assert store.open_committed(run.uri).read("prompts.txt") == b"a red cat\na blue cat\n"


def test_another_content_of_the_same_file_is_another_run(file_store: str, tree: dict, tmp_path: Path) -> None:
    config = parse_config(tree)
    open_run(file_store, "a", config)
    (tmp_path / "mine.txt").write_text("a green cat\n")
    with pytest.raises(Conflict, match="it differs in the prompt file's content"):
        open_run(file_store, "a", config)


def test_a_prompt_file_may_lie_in_a_store(store_root: str, tree: dict) -> None:
    store.create(f"{store_root}/mine.txt", b"a dog\n")
    run = open_run(store_root, "a", parse_config(tree | {"prompts": {"train": f"{store_root}/mine.txt"}}))
    assert store.open_committed(run.uri).read("prompts.txt") == b"a dog\n"


def test_a_prompt_file_that_is_not_there_is_named(file_store: str, tree: dict) -> None:
    with pytest.raises(MissingInput, match=r"prompts\.train = 'gone\.txt' cannot be read"):
        open_run(file_store, "a", parse_config(tree | {"prompts": {"train": "gone.txt"}}))


def test_the_champion_is_that_of_the_first_opening(file_store: str, tree: dict) -> None:
    config = parse_config(tree)
    base_id = opening.inputs_of(config)["base"]
    first = candidate(base_id=base_id)
    promotion.promote(file_store, "ddpo-tiny", first, expected=0, by="ann", reason="better")
    run = open_run(file_store, "a", config)
    promotion.promote(file_store, "ddpo-tiny", candidate(base_id=base_id, k=9), expected=1, by="ann", reason="better")
    assert open_run(file_store, "a", config) == run
    assert load(run).start.champion == first.training
    assert load(open_run(file_store, "b", config)).start.champion == candidate(k=9).training


def test_a_champion_of_another_base_is_nobodys_rival(file_store: str, tree: dict) -> None:
    promotion.promote(file_store, "ddpo-tiny", candidate(base_id="sha256:other"), expected=0, by="ann", reason="better")
    with pytest.raises(BadRequest, match="belongs to the base sha256:other"):
        open_run(file_store, "a", parse_config(tree))
    open_run(file_store, "a", parse_config(tree | {"registration": {"model": "another"}}))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"seed": 1}, "seed"),
        ({"reward": {"name": "jpeg_compressibility"}}, "reward"),
        ({"reward": {"options": {"quality": 90}}}, "reward"),
        ({"prompts": {"train": "simple-animals-v1"}}, "prompts"),
        ({"evaluation": {"set": "tiny-v2"}}, "evaluation set"),
        ({"training": {"learning_rate": 1e-5}}, "settings"),
    ],
)
def test_what_a_run_is_made_of_is_named(tree: dict, change: dict, name: str) -> None:
    before, after = opening.inputs_of(parse_config(tree)), opening.inputs_of(parse_config(tree | change))
    assert name in {key for key in before if before[key] != after[key]} <= {name, "settings"}


def test_where_a_policy_starts_is_nothing_new(tree: dict) -> None:
    warm = parse_config(tree | {"start_adapter": "s3://b/runs/x/iterations/0001/training"})
    assert opening.inputs_of(warm) == opening.inputs_of(parse_config(tree))
