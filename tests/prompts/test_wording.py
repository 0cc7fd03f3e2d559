"""Articles, plurals and slugs, each written out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.nouns import forms, plural, words
from components.prompts.lists import EvaluationSet, known_animals, load_list
from components.prompts.wording import compose, compose_object, slug, with_article

ANIMALS = {
    "cat": "cats", "dog": "dogs", "horse": "horses", "monkey": "monkeys", "rabbit": "rabbits",
    "zebra": "zebras", "spider": "spiders", "bird": "birds", "sheep": "sheep", "deer": "deer", "cow": "cows",
    "goat": "goats", "lion": "lions", "tiger": "tigers", "bear": "bears", "raccoon": "raccoons", "fox": "foxes",
    "wolf": "wolves", "lizard": "lizards", "beetle": "beetles", "ant": "ants", "butterfly": "butterflies",
    "fish": "fish", "shark": "sharks", "whale": "whales", "dolphin": "dolphins", "squirrel": "squirrels",
    "mouse": "mice", "rat": "rats", "snake": "snakes", "turtle": "turtles", "frog": "frogs",
    "chicken": "chickens", "duck": "ducks", "goose": "geese", "bee": "bees", "pig": "pigs", "turkey": "turkeys",
    "fly": "flies", "llama": "llamas", "camel": "camels", "bat": "bats", "gorilla": "gorillas",
    "hedgehog": "hedgehogs", "kangaroo": "kangaroos", "elephant": "elephants", "giraffe": "giraffes",
    "penguin": "penguins", "owl": "owls", "crab": "crabs", "panda": "pandas", "donkey": "donkeys",
    "leopard": "leopards", "parrot": "parrots", "swan": "swans", "salmon": "salmon", "moose": "moose",
    "crocodile": "crocodiles", "ladybug": "ladybugs", "octopus": "octopuses", "hippo": "hippos", "rhino": "rhinos",
    "ostrich": "ostriches", "flamingo": "flamingos", "peacock": "peacocks", "eagle": "eagles", "pigeon": "pigeons",
    "crow": "crows", "seagull": "seagulls", "pelican": "pelicans", "woodpecker": "woodpeckers", "seal": "seals",
    "walrus": "walruses", "otter": "otters", "beaver": "beavers", "badger": "badgers", "skunk": "skunks",
    "koala": "koalas", "sloth": "sloths", "armadillo": "armadillos", "meerkat": "meerkats", "hyena": "hyenas",
    "cheetah": "cheetahs", "lemur": "lemurs", "hamster": "hamsters", "lobster": "lobsters", "jellyfish": "jellyfish",
    "starfish": "starfish", "snail": "snails", "scorpion": "scorpions", "dragonfly": "dragonflies",
    "grasshopper": "grasshoppers",
}  # fmt: skip
"""One and many: the sixty that the tiny base knows, then those that only real models are asked for."""


def test_every_animal_of_a_list_is_checked_here() -> None:
    assert len(ANIMALS) == 60 + 32
    assert set(ANIMALS) == known_animals()


@pytest.mark.parametrize(("one", "many"), ANIMALS.items())
def test_each_animal_has_its_plural(one: str, many: str) -> None:
    assert plural(one) == many


def test_eight_of_the_animals_and_eight_of_the_objects_take_an() -> None:
    animals = ["ant", "elephant", "owl", "octopus", "ostrich", "eagle", "otter", "armadillo"]
    assert [a for a in ANIMALS if with_article(a).startswith("an ")] == animals
    objects = load_list("animals-v1", EvaluationSet).held_out.objects
    said = [compose_object(name).text for name in objects]
    assert [text for text in said if text.startswith("an ")] == [
        "an airplane", "an anchor", "an apple", "an axe", "an envelope", "an hourglass", "an oven", "an umbrella"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("hour", "an hour"),
        ("honest fox", "an honest fox"),
        ("unicorn", "a unicorn"),
        ("ewe", "a ewe"),
        ("european hare", "a european hare"),
        ("umbrella", "an umbrella"),
        ("horse", "a horse"),
    ],
)
def test_an_article_follows_the_sound(noun: str, said: str) -> None:
    assert with_article(noun) == said


def test_the_three_templates() -> None:
    assert compose("owl").text == "an owl"
    assert compose("cat", "riding a bike").text == "a cat riding a bike"
    assert [compose("goose", count=n).text for n in (2, 8)] == ["two geese", "eight geese"]


def test_a_form_is_known_beside_the_plural_we_write() -> None:
    assert forms("mouse") == {"mouse", "mice", "mouses"}
    assert "octopi" in forms("octopus")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A cat, riding a bike!", "a-cat-riding-a-bike"),
        ("  un  café ", "un-cafe"),
        ("a_b/c.d", "a-b-c-d"),
        ("three cats", "three-cats"),
    ],
)
def test_slugs_that_ascii_can_say(text: str, expected: str) -> None:
    assert slug(text) == expected


def test_what_ascii_cannot_say_stays_apart() -> None:
    assert slug("a 猫") != slug("a 犬")
    assert slug("!!!") != slug("???")
    long = "a very " * 40
    assert slug(long + "big cat") != slug(long + "small cat")


@settings(deadline=None)
@given(st.text(max_size=400))
def test_a_slug_is_fit_for_a_file_name_and_its_own_slug(text: str) -> None:
    name = slug(text)
    assert 0 < len(name) <= 105
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not name.startswith("-")
    assert not name.endswith("-")


@settings(deadline=None)
@given(st.lists(st.sampled_from(["The", "an", "A", "cat", "Riding", "BIKE"]), max_size=8))
def test_words_know_neither_case_nor_article(said: list[str]) -> None:
    assert words(" ".join(said)) == [w.lower() for w in said if w.lower() not in ("a", "an", "the")]
