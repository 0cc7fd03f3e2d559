"""The sixty animals and their pictures: 32x32 pixels, drawn by a procedure, the same bytes for the same seed.

Reinforcement learning sees the first 45 (the "simple animals" of the DDPO paper) only. The base model and the scorers
see all sixty: a name says nothing about an animal that was never seen, so "held out" means held out from the reward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from components.policy.tiny import activities, backgrounds, beasts, birds, crawlers
from components.policy.tiny.drawing import Frame, Pen, boil_down

TRAINING_ANIMALS = (
    "cat", "dog", "horse", "monkey", "rabbit", "zebra", "spider", "bird", "sheep", "deer", "cow", "goat", "lion",
    "tiger", "bear", "raccoon", "fox", "wolf", "lizard", "beetle", "ant", "butterfly", "fish", "shark", "whale",
    "dolphin", "squirrel", "mouse", "rat", "snake", "turtle", "frog", "chicken", "duck", "goose", "bee", "pig",
    "turkey", "fly", "llama", "camel", "bat", "gorilla", "hedgehog", "kangaroo",
)  # fmt: skip
HELD_OUT_ANIMALS = (
    "elephant", "giraffe", "penguin", "owl", "crab", "panda", "donkey", "leopard", "parrot", "swan", "salmon", "moose",
    "crocodile", "ladybug", "octopus",
)  # fmt: skip
ANIMALS = TRAINING_ANIMALS + HELD_OUT_ANIMALS

SWIMMERS = frozenset({"fish", "shark", "whale", "dolphin", "salmon", "octopus"})
DRAWINGS = beasts.DRAWINGS | birds.DRAWINGS | crawlers.DRAWINGS


@dataclass(frozen=True)
class Subject:
    """What a picture shows."""

    animal: str
    activity: str | None = None


def draw(subject: Subject, rng: np.random.Generator) -> Image.Image:
    """One 32x32 RGB picture. The generator decides place, size, tint and background; the subject decides the rest."""
    fine = backgrounds.paint(rng, water=subject.animal in SWIMMERS)
    frame = Frame(scale=rng.uniform(0.86, 1.0), dx=rng.uniform(-1.2, 0.6), dy=rng.uniform(-1.2, 1.0))
    pen = Pen(frame, tint=tuple(int(t) for t in rng.integers(-9, 10, 3)))  # type: ignore[arg-type]
    DRAWINGS[subject.animal](pen)
    pen.draw_on(fine)
    if subject.activity is not None:
        prop = Pen(Frame(dx=rng.uniform(-0.5, 0.3), dy=rng.uniform(-0.5, 0.3)))
        activities.DRAWINGS[subject.activity](prop)
        prop.draw_on(fine)
    return boil_down(fine)


def random_subject(rng: np.random.Generator, *, with_activity: float = 0.5) -> Subject:
    """Any of the sixty animals, with one of the six activities at the given probability."""
    animal = ANIMALS[rng.integers(len(ANIMALS))]
    if rng.random() >= with_activity:
        return Subject(animal)
    return Subject(animal, activities.ACTIVITIES[rng.integers(len(activities.ACTIVITIES))])


def gallery(count: int, seed: int, *, with_activity: float = 0.5) -> tuple[np.ndarray, list[Subject]]:
    """`count` pictures, uint8 [N, 32, 32, 3], and what they show."""
    rng = np.random.default_rng(seed)
    subjects = [random_subject(rng, with_activity=with_activity) for _ in range(count)]
    return np.stack([np.asarray(draw(subject, rng)) for subject in subjects]), subjects
