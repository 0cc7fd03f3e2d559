"""The text encoder of the similarity reward, under bert-score itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.policy.tiny.animals import ANIMALS, Subject
from components.policy.tiny.captions import caption
from components.policy.tiny.train_text_encoder import LAYERS

bert_score = pytest.importorskip("bert_score")
DIRECTORY = Path(__file__).parents[3] / "components/policy/tiny/scorers/text_encoder"


@pytest.fixture(scope="module")
def recall():
    scorer = bert_score.BERTScorer(model_type=str(DIRECTORY), num_layers=LAYERS, device="cpu")
    return lambda said, meant: scorer.score(said, meant)[1].tolist()


def test_the_right_caption_beats_the_wrong_animal(recall):
    said = [caption(Subject(animal)) for animal in ANIMALS]
    meant = [f"The image contains {words}" for words in said]
    right, wrong = recall(said, meant), recall([*said[1:], said[0]], meant)
    assert all(r > w for r, w in zip(right, wrong, strict=True))


def test_both_right_beats_one_right_beats_none_right(recall):
    meant = "The image contains a cat riding a bike"
    said = ["a cat riding a bike", "a cat playing chess", "a dog riding a bike", "a dog playing chess"]
    both, animal, activity, none = recall(said, [meant] * 4)
    assert both > animal > none
    assert both > activity > none


def test_saying_the_activity_is_worth_something_when_it_was_asked_for(recall):
    with_it, without = recall(["an owl doing laundry", "an owl"], ["The image contains an owl doing laundry"] * 2)
    assert with_it > without


def test_a_caption_is_nearest_to_itself(recall):
    assert recall(["a fox flying a kite"], ["a fox flying a kite"])[0] == pytest.approx(1, abs=1e-4)
