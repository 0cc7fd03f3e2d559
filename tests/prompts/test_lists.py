"""The frozen lists: what they hold, that nothing leaks from one to the other, and that they do not change."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from components.core.errors import BadRequest
from components.prompts.held_out import HELD_OUT, HeldOutPrompts
from components.prompts.lists import (
    DATA,
    EvaluationSet,
    Template,
    TrainingList,
    list_names,
    load_list,
    spell_out,
)

TEMPLATES: tuple[Template, ...] = ("animal", "activity", "counting")
TRAINING = load_list("simple-animals-v1", TrainingList)
TINY = load_list("tiny-v1", EvaluationSet)

FROZEN = {
    "activities-v1": "27293829d605cc87",
    "counting-v1": "fa547be1f93504ad",
    "simple-animals-v1": "520b916bc522d17c",
    "tiny-v1": "30e4f5da7688e97d",
}


def test_frozen_lists_do_not_change() -> None:
    """A list that changes is a new version under a new name: scores of two lists are never compared."""
    digests = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in DATA.glob("*.toml")}
    assert digests == FROZEN


def test_the_paper_trains_on_45_animals_3_activities_and_22_counted_animals() -> None:
    assert [len(spell_out(TRAINING, template)) for template in TEMPLATES] == [45, 45 * 3, 22 * 7]
    assert spell_out(TRAINING, "animal")[0].text == "a cat"
    assert spell_out(TRAINING, "activity")[-1].text == "a kangaroo riding a bike"
    assert spell_out(TRAINING, "counting")[6].text == "eight cats"


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_prompt_stands_in_a_list_twice(template: Template) -> None:
    ids = [prompt.id for prompt in spell_out(TRAINING, template)]
    assert len(set(ids)) == len(ids)
    evaluated = [prompt.id for _, prompt in TINY.prompts(template)]
    assert len(set(evaluated)) == len(evaluated)


@pytest.mark.parametrize(
    ("template", "sizes"),
    [
        ("animal", {"seen": 45, "held_out": 15}),
        ("activity", {"seen": 30, "held_out_activity": 30, "held_out_animal": 15, "held_out": 30}),
        ("counting", {"seen": 44, "held_out": 30}),
    ],
)
def test_an_evaluation_stays_below_120_prompts(template: Template, sizes: dict[str, int]) -> None:
    assert Counter(split for split, _ in TINY.prompts(template)) == sizes
    assert sum(sizes.values()) < 120


@pytest.mark.parametrize("template", TEMPLATES)
def test_seen_prompts_are_trained_on_and_held_out_prompts_are_not(template: Template) -> None:
    trained = {prompt.id for prompt in spell_out(TRAINING, template)}
    for split, prompt in TINY.prompts(template):
        assert (prompt.id in trained) == (split == "seen"), prompt.text


@pytest.mark.parametrize("template", TEMPLATES)
def test_training_mentions_nothing_that_is_held_out_after_case_number_and_article(template: Template) -> None:
    held_out = HeldOutPrompts("tiny-v1", TINY)
    assert [p.text for p in spell_out(TRAINING, template) if held_out.reason(p.text)] == []
    for split, prompt in TINY.prompts(template):
        assert (held_out.reason(prompt.text.upper()) is not None) == (HELD_OUT in split), prompt.text


def test_the_quadrants_are_what_their_names_say() -> None:
    animals, activities = set(TINY.held_out.animals), set(TINY.held_out.activities)
    for split, prompt in TINY.prompts("activity"):
        assert (prompt.animal in animals) == (split in ("held_out_animal", "held_out"))
        assert (prompt.activity in activities) == (split in ("held_out_activity", "held_out"))


def test_pairs_are_stratified() -> None:
    """Every activity of a split equally often; every number as often as the others, give or take one."""
    by_activity = Counter((split, prompt.activity) for split, prompt in TINY.prompts("activity"))
    assert sorted(by_activity.values()) == [5] * 3 + [10] * 9
    for split in ("seen", "held_out"):
        counts = Counter(prompt.count for s, prompt in TINY.prompts("counting") if s == split)
        assert set(counts) == set(range(2, 9))
        assert max(counts.values()) - min(counts.values()) <= 1
    familiar = {prompt.animal for split, prompt in TINY.prompts("activity") if split in ("seen", "held_out_activity")}
    assert familiar == set(TRAINING.animals)


def test_an_unknown_list_names_those_there_are() -> None:
    with pytest.raises(BadRequest, match=r"no training list named 'simple-animals-v2' \(there is simple-animals-v1\)"):
        load_list("simple-animals-v2", TrainingList)
    with pytest.raises(BadRequest, match="no evaluation list named 'activities-v1'"):
        load_list("activities-v1", EvaluationSet)
    assert list_names(EvaluationSet) == ["tiny-v1"]
