"""The pictures that the tiny policy learns from."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from components.policy.tiny.activities import ACTIVITIES, HELD_OUT_ACTIVITIES, TRAINING_ACTIVITIES
from components.policy.tiny.animals import ANIMALS, DRAWINGS, HELD_OUT_ANIMALS, TRAINING_ANIMALS, Subject, draw, gallery
from components.policy.tiny.captions import caption, plural
from components.policy.tiny.drawing import FINE, Pen


def test_sixty_animals_of_which_fifteen_are_held_out():
    assert (len(TRAINING_ANIMALS), len(HELD_OUT_ANIMALS), len(set(ANIMALS))) == (45, 15, 60)


def test_three_activities_to_train_on_and_three_held_out():
    assert (len(TRAINING_ACTIVITIES), len(HELD_OUT_ACTIVITIES), len(set(ACTIVITIES))) == (3, 3, 6)


def test_each_animal_has_its_own_drawing_and_nothing_else_is_drawn():
    assert set(DRAWINGS) == set(ANIMALS)


def test_the_same_seed_draws_the_same_bytes():
    first, subjects = gallery(20, seed=5)
    again, same = gallery(20, seed=5)
    assert subjects == same
    assert first.tobytes() == again.tobytes()


def test_another_seed_draws_other_bytes():
    assert gallery(5, seed=5)[0].tobytes() != gallery(5, seed=6)[0].tobytes()


def test_a_picture_is_32_by_32_in_colour():
    picture = draw(Subject("cat"), np.random.default_rng(0))
    assert (picture.size, picture.mode) == ((32, 32), "RGB")


@pytest.mark.parametrize("animal", ANIMALS)
def test_an_animal_is_drawn_large(animal):
    """Its figure covers a quarter to three quarters of the square, and spans three quarters one way."""
    fine = Image.new("L", (32 * FINE, 32 * FINE), 255)
    pen = Pen()
    DRAWINGS[animal](pen)
    for shape, _, _ in pen.shapes:
        shape(ImageDraw.Draw(fine), 0, 0)
    covered = np.asarray(fine) == 0
    assert 0.25 < covered.mean() < 0.75
    assert max(np.ptp(np.nonzero(covered.any(axis))) for axis in (0, 1)) > 0.75 * 32 * FINE


def test_no_two_animals_look_alike():
    """Means over twenty drawings each, so that neither place nor background counts: never nearer than 8 of 255."""
    means = []
    for animal in ANIMALS:
        rng = np.random.default_rng(1)
        means.append(np.mean([np.asarray(draw(Subject(animal), rng), dtype=float) for _ in range(20)], axis=0))
    distance = np.array([[np.abs(a - b).mean() for b in means] for a in means]) + 255 * np.eye(60)
    nearest = np.unravel_index(distance.argmin(), distance.shape)
    assert distance.min() > 8, [ANIMALS[index] for index in nearest]


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_an_activity_leaves_the_left_half_of_the_picture_to_the_animal(activity):
    alone = np.asarray(draw(Subject("cat"), np.random.default_rng(3)), dtype=int)
    busy = np.asarray(draw(Subject("cat", activity), np.random.default_rng(3)), dtype=int)
    changed = np.abs(alone - busy).max(-1) > 0
    assert changed.mean() > 0.06
    assert not changed[:, :14].any()


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (Subject("ant"), "an ant"),
        (Subject("octopus", "playing chess"), "an octopus playing chess"),
        (Subject("cat", "riding a bike"), "a cat riding a bike"),
    ],
)
def test_captions_have_the_right_article(subject, said):
    assert caption(subject) == said


@pytest.mark.parametrize(
    ("one", "many"),
    [("mouse", "mice"), ("goose", "geese"), ("wolf", "wolves"), ("sheep", "sheep"), ("fox", "foxes"), ("cat", "cats")],
)
def test_plurals(one, many):
    assert plural(one) == many
