"""Alignment and judge, with the weights that are in the repository."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import JsonValue

from components.core.config import RewardConfig
from components.core.errors import BadRequest, MissingInput
from components.core.records import PromptRow
from components.policy.tiny.animals import ANIMALS, gallery
from components.policy.tiny.judge import Judge as TinyClip
from components.policy.tiny.pixels import from_pictures
from components.prompts.wording import compose
from components.scoring.rewards import embedded
from components.scoring.rewards.alignment import Alignment, AlignmentOptions
from components.scoring.rewards.captioners.load import CAPTIONERS
from components.scoring.rewards.captioners.tiny import TinyCaptioner
from components.scoring.rewards.judge import JudgeOptions, TinyClassifier, ZeroShotJudge
from components.scoring.rewards.reward import Score
from components.scoring.rewards.text_similarity import TextSimilarity
from components.scoring.scorer import load_scorers
from tests.scoring.shards import flat, prompt

Drawn = tuple[list[Image.Image], list[PromptRow]]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    """48 drawings that no scorer was trained on, half with an activity, and the prompts that they answer."""
    pictures, subjects = gallery(48, 20_261_121)
    asked = [compose(subject.animal, subject.activity) for subject in subjects]
    return [Image.fromarray(p) for p in pictures], [
        PromptRow(prompt_id=a.id, index=i, text=a.text, split="seen", animal=a.animal, activity=a.activity)
        for i, a in enumerate(asked)
    ]


@pytest.fixture(scope="module")
def similarity() -> TextSimilarity:
    return TextSimilarity("tiny")


def rewards(scores: Sequence[Score]) -> np.ndarray:
    assert all(score.reward is not None for score in scores)
    return np.array([score.reward for score in scores])


def others(rows: list[PromptRow]) -> list[PromptRow]:
    """For each picture the prompt of another animal."""
    return [next(r for r in rows[i + 1 :] + rows if r.animal != row.animal) for i, row in enumerate(rows)]


@pytest.mark.parametrize(
    "options",
    [{}, {"form": "text"}, {"form": "text", "reference": "{prompt}", "measure": "f1"}],
    ids=["product", "recall", "f1"],
)
def test_a_picture_is_worth_more_with_its_own_prompt(drawn: Drawn, options: dict[str, JsonValue]) -> None:
    pictures, rows = drawn
    alignment = Alignment(AlignmentOptions.model_validate(options))
    right, wrong = (rewards(alignment.score(pictures, asked)) for asked in (rows, others(rows)))
    assert (right > wrong).mean() > 0.9
    assert right.mean() > wrong.mean() + 0.15


def test_the_product_is_the_product_of_its_parts_and_none_is_an_activity(drawn: Drawn) -> None:
    pictures, rows = drawn
    for score in Alignment(AlignmentOptions()).score(pictures, rows):
        animal, activity = score.parts["p_animal"], score.parts["p_activity"]
        assert isinstance(animal, float)
        assert isinstance(activity, float)
        assert score.reward == animal * activity
        assert isinstance(score.parts["caption"], str)
    plain = next(i for i, row in enumerate(rows) if row.activity is None)
    busy = rows[plain].model_copy(update={"activity": "riding a bike"})
    without, with_bike = Alignment(AlignmentOptions()).score([pictures[plain]] * 2, [rows[plain], busy])
    assert without.parts["p_animal"] == pytest.approx(with_bike.parts["p_animal"])
    assert without.reward is not None
    assert with_bike.reward is not None
    assert without.reward > 10 * with_bike.reward


def test_a_prompt_without_a_known_animal_is_missing_in_one_form_and_not_in_the_other() -> None:
    teapot = prompt(None)
    (product,) = Alignment(AlignmentOptions()).score([flat()], [teapot])
    (text,) = Alignment(AlignmentOptions(form="text")).score([flat()], [teapot])
    assert product.error == "'a teapot' names no animal and activity that the captioner knows"
    assert text.error is None


def test_all_three_measures_are_parts_and_one_is_the_reward(drawn: Drawn) -> None:
    pictures, rows = drawn
    for measure in ("recall", "precision", "f1"):
        options = AlignmentOptions.model_validate({"form": "text", "measure": measure})
        (score,) = Alignment(options).score(pictures[:1], rows[:1])
        assert {"caption", "recall", "precision", "f1"} == set(score.parts)
        assert score.reward == score.parts[measure]


def test_equal_texts_score_one_and_a_right_caption_beats_wrong_ones(similarity: TextSimilarity) -> None:
    said = "a cat riding a bike"
    same, half, none = similarity.compare(
        [said, "a cat", "a whale"], [said, "the image contains a cat riding a bike", "the image contains a cat"]
    )
    assert same == pytest.approx({"precision": 1.0, "recall": 1.0, "f1": 1.0}, abs=1e-5)
    assert same["recall"] > half["recall"] > none["recall"]
    assert half["precision"] > half["recall"]  # what it says is right, and not all there is to say


def test_for_nearly_every_animal_the_right_caption_is_the_nearest(similarity: TextSimilarity) -> None:
    captions = [compose(animal).text for animal in ANIMALS]
    nearest = 0
    for animal in ANIMALS[::6]:
        reference = f"The image contains {compose(animal).text}"
        recalls = [s["recall"] for s in similarity.compare(captions, [reference] * len(captions))]
        nearest += ANIMALS[int(np.argmax(recalls))] == animal
    assert nearest >= 9  # of ten


def test_long_and_empty_texts_break_nothing(similarity: TextSimilarity) -> None:
    """bert-score 0.3.13 overflows on an endless model_max_length, and lacks a method for empty texts."""
    long, empty = similarity.compare(["a cat " * 500, ""], ["a cat", "a cat"])
    assert 0 < long["recall"] <= 1.0001
    assert empty == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert similarity.compare([], []) == []


class Taciturn:
    """Says nothing at first; the second time it answers about the first picture that it is shown again."""

    answers_any_question = True

    def __init__(self) -> None:
        self.asked: list[tuple[int, bool]] = []

    def identity(self) -> dict[str, JsonValue]:
        return {"mood": "taciturn"}

    def answer(self, pictures: list[Image.Image], questions: list[str], *, again: bool = False) -> list[str]:
        self.asked.append((len(pictures), again))
        return ["a dog", "", " \n"] if len(self.asked) == 1 else ["a cat", ""]


def test_who_says_nothing_is_asked_once_more_and_then_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    taciturn = Taciturn()
    monkeypatch.setitem(CAPTIONERS, "taciturn", lambda: taciturn)
    alignment = Alignment(AlignmentOptions(captioner="taciturn", form="text"))
    first, second, third = alignment.score([flat()] * 3, [prompt("dog"), prompt("cat"), prompt("cat")])
    assert taciturn.asked == [(3, False), (2, True)]
    assert (first.parts["caption"], second.parts["caption"]) == ("a dog", "a cat")
    assert (third.reward, third.error) == (None, "the captioner said nothing, twice")


def test_a_captioner_without_probabilities_needs_the_text_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CAPTIONERS, "taciturn", Taciturn)
    with pytest.raises(BadRequest, match='taciturn gives no probabilities \\(set form = "text"\\)'):
        Alignment(AlignmentOptions(captioner="taciturn"))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("alignment", {"captioner": "llava"}, r"no captioner named 'llava' \(there is tiny, or a table"),
        ("alignment", {"form": "text", "reference": "a picture"}, r"has no \{prompt\}"),
        ("alignment", {"form": "text", "text_encoder": "./no/where"}, "no directory at ./no/where"),
        ("alignment", {"forms": "text"}, "forms: unknown key"),
        ("judge", {"model": "clip"}, r"no judge named 'clip' \(there is tiny\)"),
    ],
)
def test_a_wrong_option_is_named(name: str, options: dict[str, JsonValue], message: str) -> None:
    with pytest.raises((BadRequest, MissingInput), match=message):
        load_scorers([RewardConfig(name=name, options=options)])


def test_an_identity_holds_the_weights_that_have_a_say() -> None:
    product, text = (
        load_scorers([RewardConfig(name="alignment", options={"form": form})])[0] for form in ("product", "text")
    )
    assert product.id != text.id
    for scorer, parts in ((product, {"captioner"}), (text, {"captioner", "text_encoder"})):
        identity = scorer.description["identity"]
        assert isinstance(identity, dict)
        assert parts <= set(identity)
        assert "sha256:" in str(identity["captioner"])


def test_the_judge_names_the_animal(drawn: Drawn) -> None:
    pictures, rows = drawn
    judge = ZeroShotJudge(JudgeOptions())
    right, wrong = (judge.score(pictures, asked) for asked in (rows, others(rows)))
    assert rewards(right).mean() > 0.85
    assert rewards(wrong).mean() < 0.1
    for row, score in zip(rows, right, strict=True):
        assert score.reward == float(score.parts["named"] == row.animal)
    (unknown,) = judge.score([flat()], [prompt(None)])
    assert unknown.error == "'a teapot' names no animal that the judge knows"


def test_the_judges_rows_carry_the_embedding_of_the_picture(drawn: Drawn) -> None:
    """Of norm 1 and near the classifier's own; a cosine of two is right to 1e-3. An object has one too."""
    pictures, rows = drawn
    rows = [*rows[:-1], prompt(None)]
    clip = TinyClip.load(embedded.directory("judge"))
    expected_ND = torch.nn.functional.normalize(clip.model.get_image_features(from_pictures(pictures)).pooler_output)
    scores = ZeroShotJudge(JudgeOptions()).score(pictures, rows)
    embedding_ND = np.array([score.parts["embedding"] for score in scores])
    assert scores[-1].reward is None
    assert np.array_equal(embedding_ND, embedding_ND.round(4))
    assert np.abs(embedding_ND - expected_ND.detach().numpy()).max() <= 5.1e-5
    assert np.linalg.norm(embedding_ND, axis=1) == pytest.approx(1, abs=1e-3)


def passes(module: torch.nn.Module) -> list[int]:
    """Pictures of each forward pass from now on."""
    seen: list[int] = []
    module.register_forward_hook(lambda module, given, made: seen.append(len(made)))
    return seen


def test_no_picture_goes_twice_through_a_tower(drawn: Drawn) -> None:
    """Verdict and embedding are one pass of the judge; caption and probabilities are one pass of the captioner."""
    pictures, _ = drawn
    classifier = TinyClassifier()
    of_judge = passes(classifier._clip.model.visual_projection)
    expected = classifier._clip.animal_probabilities(pictures)
    of_judge.clear()
    probability_NA, _ = classifier.see(pictures)
    assert of_judge == [48]
    assert probability_NA == pytest.approx(expected, abs=1e-6)
    captioner = TinyCaptioner()
    of_captioner = passes(captioner._network.animal_head)
    captions, _, _ = captioner.recognise(pictures)
    assert of_captioner == [48]
    assert captions == captioner._network.caption(pictures)
