"""The frozen lists: what they hold, that nothing leaks from one to the other, and that they do not change."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import combinations

import pytest
from pydantic import ValidationError

from components.core.errors import BadRequest
from components.core.nouns import forms, words
from components.prompts.held_out import HELD_OUT, HeldOutPrompts
from components.prompts.lists import (
    DATA,
    ActivityList,
    Block,
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
REAL = load_list("animals-v1", EvaluationSet)
SETS = [pytest.param(TINY, id="tiny-v1"), pytest.param(REAL, id="animals-v1")]

FROZEN = {
    "activities-v1": "27293829d605cc87",
    "animals-v1": "10664e07d171c190",
    "counting-v1": "fa547be1f93504ad",
    "simple-animals-v1": "520b916bc522d17c",
    "tiny-v1": "30e4f5da7688e97d",
}

SYNONYMS = """
cat: kitten kitty tabby tomcat
dog: puppy hound poodle terrier
horse: pony foal mare stallion colt mustang
monkey: ape chimpanzee baboon macaque
rabbit: bunny hare
spider: tarantula
bird: sparrow robin songbird
sheep: lamb ram ewe
deer: stag doe reindeer caribou elk fawn
cow: ox bull calf cattle buffalo bison yak
goat: kid billy
lion: lioness cougar puma
bear: grizzly cub
wolf: coyote jackal
lizard: gecko iguana chameleon
beetle: ladybird scarab
ant: termite
butterfly: moth caterpillar
fish: goldfish trout tuna carp salmon
whale: orca
dolphin: porpoise
squirrel: chipmunk
mouse: vole
snake: viper cobra python
turtle: tortoise terrapin
frog: toad tadpole
chicken: hen rooster cock chick
duck: drake mallard duckling
goose: gander gosling
bee: wasp bumblebee hornet
pig: hog boar piglet swine sow
fly: mosquito gnat
llama: alpaca vicuna
camel: dromedary
gorilla: ape
hedgehog: porcupine
kangaroo: wallaby
raccoon: coati
"""
"""What goes by another name for an animal that training draws, or is so near to it that nobody would call it unseen."""


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
    for prompts in (spell_out(TRAINING, template), *([p for _, p in e.prompts(template)] for e in (TINY, REAL))):
        ids = [prompt.id for prompt in prompts]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("evaluation", "template", "sizes"),
    [
        (TINY, "animal", {"seen": 45, "held_out": 15}),
        (TINY, "activity", {"seen": 30, "held_out_activity": 30, "held_out_animal": 15, "held_out": 30}),
        (TINY, "counting", {"seen": 44, "held_out": 30}),
        (REAL, "animal", {"seen": 45, "held_out": 45, "held_out_objects": 50}),
        (REAL, "activity", {"seen": 45, "held_out_activity": 45, "held_out_animal": 45, "held_out": 45}),
        (REAL, "counting", {"seen": 44, "held_out": 45}),
    ],
)
def test_an_evaluation_is_as_large_as_this(
    evaluation: EvaluationSet, template: Template, sizes: dict[str, int]
) -> None:
    assert Counter(split for split, _ in evaluation.prompts(template)) == sizes
    assert sum(sizes.values()) <= 180


def test_the_real_models_set_has_what_the_paper_tests() -> None:
    held_out = REAL.held_out
    assert (len(held_out.animals), len(held_out.activities), len(held_out.objects)) == (45, 9, 50)
    assert [prompt.text for split, prompt in REAL.prompts("animal") if split == "seen"] == [
        prompt.text for prompt in spell_out(TRAINING, "animal")
    ]


def names() -> dict[str, tuple[str, ...]]:
    """Every list of names, those that training draws and those that a set holds out."""
    lists = {"animals": TRAINING.animals, "activities": load_list(TRAINING.activities, ActivityList).activities}
    for name, held_out in (("tiny-v1", TINY.held_out), ("animals-v1", REAL.held_out)):
        for kind in ("animals", "activities", "objects"):
            lists[f"{name} {kind}"] = getattr(held_out, kind)
    return lists


def spellings(name: str) -> set[tuple[str, ...]]:
    """A name in every number, without case and article."""
    return {tuple(words(form)) for form in forms(name)}


@pytest.mark.parametrize("pair", list(combinations(names(), 2)), ids=" and ".join)
def test_no_two_lists_share_a_name_after_case_number_and_article(pair: tuple[str, str]) -> None:
    """Two sets may hold the same animal out. Apart from that a name, in one number or the other, stands in one list."""
    kinds = [name.split(" ")[-1] for name in pair]
    if kinds[0] == kinds[1] and all("-v1 " in name for name in pair):
        pytest.skip("two sets may hold the same thing out")
    one, other = ({spelling for name in names()[key] for spelling in spellings(name)} for key in pair)
    assert one & other == set()


@pytest.mark.parametrize("name", names())
def test_no_list_has_a_name_twice_after_case_number_and_article(name: str) -> None:
    for one, other in combinations(names()[name], 2):
        assert spellings(one) & spellings(other) == set()


def test_nothing_held_out_is_another_name_for_what_training_draws() -> None:
    synonyms = {line.partition(":")[0]: line.partition(":")[2].split() for line in SYNONYMS.strip().splitlines()}
    assert set(synonyms) <= set(TRAINING.animals)
    near = {spelling for others in synonyms.values() for other in others for spelling in spellings(other)}
    held_out = REAL.held_out
    assert [n for n in (*held_out.animals, *held_out.objects) if spellings(n) & near] == []


def test_no_activity_mentions_an_object_or_an_animal() -> None:
    """`playing chess` would leak a chessboard, and `riding a bike` a bike."""
    activities = [set(words(a)) for name, listed in names().items() if "activities" in name for a in listed]
    for name in (*REAL.held_out.objects, *REAL.held_out.animals, *TINY.held_out.animals, *TRAINING.animals):
        assert not any(set(spelling) <= said for said in activities for spelling in spellings(name)), name


@pytest.mark.parametrize("evaluation", SETS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_seen_prompts_are_trained_on_and_held_out_prompts_are_not(
    evaluation: EvaluationSet, template: Template
) -> None:
    trained = {prompt.id for prompt in spell_out(TRAINING, template)}
    for split, prompt in evaluation.prompts(template):
        assert (prompt.id in trained) == (split == "seen"), prompt.text


@pytest.mark.parametrize("evaluation", SETS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_training_mentions_nothing_that_is_held_out_after_case_number_and_article(
    evaluation: EvaluationSet, template: Template
) -> None:
    held_out = HeldOutPrompts("the set", evaluation)
    assert [p.text for p in spell_out(TRAINING, template) if held_out.reason(p.text)] == []
    for split, prompt in evaluation.prompts(template):
        assert (held_out.reason(prompt.text.upper()) is not None) == (HELD_OUT in split), prompt.text


@pytest.mark.parametrize("evaluation", SETS)
def test_the_quadrants_are_what_their_names_say(evaluation: EvaluationSet) -> None:
    animals, activities = set(evaluation.held_out.animals), set(evaluation.held_out.activities)
    for split, prompt in evaluation.prompts("activity"):
        assert (prompt.animal in animals) == (split in ("held_out_animal", "held_out"))
        assert (prompt.activity in activities) == (split in ("held_out_activity", "held_out"))


@pytest.mark.parametrize(("evaluation", "activities"), [(TINY, [5] * 3 + [10] * 9), (REAL, [5] * 18 + [15] * 6)])
def test_pairs_are_stratified(evaluation: EvaluationSet, activities: list[int]) -> None:
    """Every activity of a split equally often; every number as often as the others, give or take one."""
    by_activity = Counter((split, prompt.activity) for split, prompt in evaluation.prompts("activity"))
    assert sorted(by_activity.values()) == activities
    for split in ("seen", "held_out"):
        counts = Counter(prompt.count for s, prompt in evaluation.prompts("counting") if s == split)
        assert set(counts) == set(range(2, 9))
        assert max(counts.values()) - min(counts.values()) <= 1
    seen = ("seen", "held_out_activity")
    familiar = {prompt.animal for split, prompt in evaluation.prompts("activity") if split in seen}
    assert familiar == set(TRAINING.animals)


def test_of_the_real_models_set_every_animal_stands_once_in_each_quadrant() -> None:
    for split in ("seen", "held_out_activity", "held_out_animal", "held_out"):
        animals = [prompt.animal for s, prompt in REAL.prompts("activity") if s == split]
        unseen = "animal" in split or split == "held_out"
        assert sorted(map(str, animals)) == sorted(REAL.held_out.animals if unseen else TRAINING.animals)


def test_held_out_animals_are_counted_with_their_right_plurals() -> None:
    texts = {prompt.text for split, prompt in REAL.prompts("counting") if split == "held_out"}
    assert {"three ostriches", "five moose", "six jellyfish", "three dragonflies", "six walruses"} <= texts


@pytest.mark.parametrize(
    "wrong",
    [
        {"animals": ["cat"], "objects": ["chair"]},
        {},
        {"objects": ["chair"], "activity": "riding a bike"},
        {"objects": ["chair"], "count": 3},
    ],
)
def test_an_object_does_nothing_and_is_not_counted(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="either animals, or objects without activity and count"):
        Block.model_validate({"split": "seen", **wrong})


def test_an_unknown_list_names_those_there_are() -> None:
    with pytest.raises(BadRequest, match=r"no training list named 'simple-animals-v2' \(there is simple-animals-v1\)"):
        load_list("simple-animals-v2", TrainingList)
    with pytest.raises(BadRequest, match="no evaluation list named 'activities-v1'"):
        load_list("activities-v1", EvaluationSet)
    assert list_names(EvaluationSet) == ["animals-v1", "tiny-v1"]
