"""LLaVA's real classes on small random weights, loaded as production loads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from pydantic import JsonValue
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor, LlavaForConditionalGeneration

from components.core.config import RewardConfig
from components.core.errors import BadData, BadRequest, MissingInput
from components.scoring.rewards.captioners.captioner import ask
from components.scoring.rewards.captioners.options import VisionLanguageOptions
from components.scoring.rewards.captioners.vision_language import VisionLanguageModel
from components.scoring.scorer import Scorer, load_scorers
from tests.scoring.captioners.small_models import FIRST_WORD, deberta, llava, llava_next
from tests.scoring.shards import flat, noise, prompts

PICTURES = [noise(0), noise(1), flat(), noise(2)]
QUESTIONS = ["what is going on in this image?", "how many mice are there in this image?", "what animal?", "what?"]


@pytest.fixture(scope="module")
def llava_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llava(tmp_path_factory.mktemp("models") / "llava")


@pytest.fixture(scope="module")
def deberta_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deberta(tmp_path_factory.mktemp("models") / "deberta")


def captioner(path: Path, **options: Any) -> VisionLanguageModel:
    chosen = {"kind": "transformers", "model": str(path), "dtype": "fp32", "max_new_tokens": 8, **options}
    return VisionLanguageModel(VisionLanguageOptions.model_validate(chosen))


def spoil(path: Path, target: Path, drop: str) -> Path:
    """A copy of a model's directory without one file, or without one tensor of its weights."""
    target.mkdir()
    for file in path.iterdir():
        if file.name != drop:
            (target / file.name).write_bytes(file.read_bytes())
    if drop not in {file.name for file in path.iterdir()}:
        tensors = load_file(path / "model.safetensors")
        save_file(
            {name: t for name, t in tensors.items() if name != drop}, target / "model.safetensors", {"format": "pt"}
        )
    return target


def test_the_answer_is_what_the_model_adds_to_the_question(llava_path: Path) -> None:
    """By hand, for one picture: the wording of LLaVA 1.5, argmax after argmax, until the end or eight tokens."""
    model = LlavaForConditionalGeneration.from_pretrained(llava_path).eval()
    processor = AutoProcessor.from_pretrained(llava_path, backend="pil")
    inputs = processor(text=f"USER: <image>\n{QUESTIONS[0]} ASSISTANT:", images=PICTURES[0], return_tensors="pt")
    tokens, said = inputs["input_ids"], []
    for _ in range(8):
        with torch.no_grad():
            logits = model(input_ids=tokens, pixel_values=inputs["pixel_values"]).logits
        said.append(int(logits[0, -1].argmax()))
        if said[-1] == processor.tokenizer.eos_token_id:
            break
        tokens = torch.cat([tokens, torch.tensor([[said[-1]]])], 1)
    expected = processor.tokenizer.decode(said, skip_special_tokens=True)
    assert expected
    assert captioner(llava_path).answer(PICTURES[:1], QUESTIONS[:1]) == [expected]


def test_answers_do_not_depend_on_the_batch_or_the_order(llava_path: Path) -> None:
    """Questions of four lengths, padded on the left."""
    alone = [captioner(llava_path, batch=1).answer([p], [q])[0] for p, q in zip(PICTURES, QUESTIONS, strict=True)]
    assert len(set(alone)) == 4
    for batch in (3, 4):
        assert captioner(llava_path, batch=batch).answer(PICTURES, QUESTIONS) == alone
    assert captioner(llava_path).answer(PICTURES[::-1], QUESTIONS[::-1]) == alone[::-1]


def test_another_architecture_is_a_matter_of_config(tmp_path: Path) -> None:
    """LLaVA 1.6, and pictures of three shapes: they have other numbers of tiles, and are padded to one batch."""
    pictures = [noise(0), noise(1).resize((64, 24)), noise(2).resize((20, 60)), flat()]
    path = llava_next(tmp_path / "llava-next")
    alone = [captioner(path, batch=1).answer([p], [q])[0] for p, q in zip(pictures, QUESTIONS, strict=True)]
    assert len(set(alone)) == 4
    assert captioner(path, batch=4).answer(pictures, QUESTIONS) == alone


def test_a_processor_that_asks_for_more_than_is_installed_is_refused(llava_path: Path, tmp_path: Path) -> None:
    """Those that also take videos need torchvision, which no image has: such a model is asked over HTTP."""
    path = spoil(llava_path, tmp_path / "qwen", "chat_template.jinja")
    config = json.loads((path / "processor_config.json").read_text())
    video = {"video_processor_type": "Qwen2VLVideoProcessor"}
    changed = config | {"processor_class": "Qwen2VLProcessor", "video_processor": video}
    (path / "processor_config.json").write_text(json.dumps(changed))
    with pytest.raises(BadRequest, match=r'asks for more than is installed: .* \(use kind = "http"\)'):
        captioner(path)


def test_an_answer_depends_on_the_picture_and_the_question(llava_path: Path) -> None:
    model = captioner(llava_path)
    assert len(set(model.answer(PICTURES, QUESTIONS[:1] * 4))) > 1
    assert len(set(model.answer(PICTURES[:1] * 4, QUESTIONS))) > 1


def test_without_a_chat_template_it_is_asked_as_llava_was_trained(llava_path: Path, tmp_path: Path) -> None:
    """The template of the fixture words a question in the same way."""
    plain = captioner(llava(tmp_path / "plain", chat_template=None))
    assert plain.identity()["asked"] == "USER: {image}\n{question} ASSISTANT:"
    assert plain.answer(PICTURES, QUESTIONS) == captioner(llava_path).answer(PICTURES, QUESTIONS)


def test_an_answer_is_cut_off_at_its_longest(llava_path: Path) -> None:
    long, short = (captioner(llava_path, max_new_tokens=n).answer(PICTURES, QUESTIONS) for n in (8, 2))
    for answer, whole in zip(short, long, strict=True):
        assert whole.startswith(answer)
        assert len(answer.split()) <= 2 < len(whole.split())


def test_who_said_nothing_must_speak_when_asked_again(tmp_path: Path) -> None:
    """Greedy decoding would say nothing a second time: four tokens at least, and then it may end."""
    silent = captioner(llava(tmp_path / "silent", silent=True))
    assert silent.answer(PICTURES, QUESTIONS) == [""] * 4
    assert ask(silent, PICTURES, QUESTIONS) == [" ".join([FIRST_WORD] * 4)] * 4


@pytest.mark.parametrize(
    ("drop", "error", "message"),
    [
        ("model.safetensors", MissingInput, "no weights at .*spoilt"),
        ("config.json", MissingInput, "spoilt holds no config.json"),
        ("processor_config.json", MissingInput, "spoilt holds no processor"),
        ("multi_modal_projector.linear_2.bias", BadData, "has no model.multi_modal_projector.linear_2.bias"),
    ],
)
def test_what_is_not_whole_never_captions(
    llava_path: Path, tmp_path: Path, drop: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        captioner(spoil(llava_path, tmp_path / "spoilt", drop))


def test_a_text_encoder_is_no_captioner(deberta_path: Path) -> None:
    with pytest.raises(BadRequest, match="deberta is no model of pictures and texts: it has a DebertaTokenizer alone"):
        captioner(deberta_path)


def test_half_precision_needs_a_gpu(llava_path: Path) -> None:
    if torch.cuda.is_available():
        assert len(captioner(llava_path, dtype="fp16").answer(PICTURES, QUESTIONS)) == 4
    else:
        with pytest.raises(BadRequest, match='dtype = "fp16" needs a GPU'):
            captioner(llava_path, dtype="fp16")


def scorer(llava_path: Path, deberta_path: Path, **options: JsonValue) -> Scorer:
    chosen: dict[str, JsonValue] = {
        "form": "text",
        "captioner": {"kind": "transformers", "model": str(llava_path), "dtype": "fp32", "max_new_tokens": 8},
        "text_encoder": str(deberta_path),
        "text_encoder_layer": 2,
        **options,
    }
    return load_scorers([RewardConfig(name="alignment", options=chosen)])[0]


def test_from_llava_to_bertscore(llava_path: Path, deberta_path: Path) -> None:
    """The caption stands beside the score, with all three measures; the one that is asked for is the reward."""
    captions = captioner(llava_path).answer(PICTURES, ["Answer concisely: what is going on in this image?"] * 4)
    for measure in ("recall", "precision", "f1"):
        scores = scorer(llava_path, deberta_path, measure=measure).scores(prompts(4), PICTURES)
        assert [score.parts["caption"] for score in scores] == captions
        assert [score.reward for score in scores] == [score.parts[measure] for score in scores]
        assert {frozenset(score.parts) for score in scores} == {frozenset(("caption", "recall", "precision", "f1"))}
    assert len({score.reward for score in scores}) == len(set(captions)) > 1


def test_both_models_and_the_wording_make_the_identity(llava_path: Path, deberta_path: Path, tmp_path: Path) -> None:
    usual = scorer(llava_path, deberta_path)
    others = [
        scorer(llava(tmp_path / "other", silent=True), deberta_path),
        scorer(llava_path, deberta(tmp_path / "deeper", layers=4)),
        scorer(llava_path, deberta_path, text_encoder_layer=3),
        scorer(llava_path, deberta_path, question="What is this?"),
    ]
    assert len({usual.id, *(other.id for other in others)}) == 5
    assert scorer(llava_path, deberta_path).id == usual.id


def test_the_product_form_is_refused_before_gigabytes_are_loaded(tmp_path: Path) -> None:
    table: dict[str, JsonValue] = {"kind": "transformers", "model": str(tmp_path / "not there")}
    with pytest.raises(BadRequest, match='gives no probabilities \\(set form = "text"\\)'):
        load_scorers([RewardConfig(name="alignment", options={"captioner": table})])


def test_a_picture_of_any_size_is_answered(llava_path: Path) -> None:
    sizes = [Image.new("RGB", size, (9, 99, 200)) for size in ((16, 16), (64, 32), (7, 300))]
    assert all(captioner(llava_path).answer(sizes, ["what?"] * 3))
