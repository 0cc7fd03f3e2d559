"""LLaVA, or any other image-text-to-text model of transformers, in this process. Decoding is greedy: no dice."""

# B pictures of one forward pass · L tokens
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from pydantic import JsonValue
from transformers import AutoModelForImageTextToText, AutoProcessor, ProcessorMixin

from components.core import weights
from components.core.errors import BadRequest, MissingInput
from components.scoring.rewards.captioners.options import VisionLanguageOptions
from components.scoring.rewards.pretrained import DTYPES, library_versions, load_model

LLAVA_1_5 = "USER: {image}\n{question} ASSISTANT:"
"""How LLaVA 1.5 was trained to be asked: for a processor without a chat template."""
FEWEST_TOKENS_AGAIN = 4
"""Of an answer that was empty at first. Greedy decoding would say nothing again, so it must go on for so long."""


class VisionLanguageModel:
    """Asks in the model's own chat template, a batch at a time."""

    answers_any_question = True

    def __init__(self, options: VisionLanguageOptions) -> None:
        path = weights.directory(options.model, options.revision)
        self._options = options
        self._processor = _processor(path)
        self._model = load_model(AutoModelForImageTextToText, path, options.dtype)

    def identity(self) -> dict[str, JsonValue]:
        """Weights, how a question is put, and library versions."""
        return {
            "weights": weights.identify(self._options.model, self._options.revision),
            "asked": "chat template" if self._processor.chat_template else LLAVA_1_5,
            **library_versions("torch", "transformers", "pillow"),
        }

    def answer(self, pictures: list[Image.Image], questions: list[str], *, again: bool = False) -> list[str]:
        """One answer a picture; a silent one that is asked again says at least a few tokens."""
        size = self._options.batch
        answers: list[str] = []
        for start in range(0, len(pictures), size):
            answers += self._generate(pictures[start : start + size], questions[start : start + size], again=again)
        return answers

    @torch.inference_mode()
    def _generate(self, pictures: list[Image.Image], questions: list[str], *, again: bool) -> list[str]:
        inputs = self._inputs(pictures, questions).to(self._model.device, DTYPES[self._options.dtype])
        tokens_BL = self._model.generate(
            **inputs,
            do_sample=False,
            num_beams=1,
            max_new_tokens=self._options.max_new_tokens,
            min_new_tokens=min(FEWEST_TOKENS_AGAIN, self._options.max_new_tokens) if again else 0,
        )
        asked = 0 if self._model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        answers: list[str] = self._processor.batch_decode(tokens_BL[:, asked:], skip_special_tokens=True)
        return answers

    def _inputs(self, pictures: list[Image.Image], questions: list[str]) -> Any:
        """Token ids and pixels, padded on the left."""
        if self._processor.chat_template:
            return self._processor.apply_chat_template(
                [_conversation(*each) for each in zip(pictures, questions, strict=True)],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"padding": True},
            )
        image = self._processor.image_token
        asked = [LLAVA_1_5.format(image=image, question=question) for question in questions]
        return self._processor(text=asked, images=[[p] for p in pictures], padding=True, return_tensors="pt")


def _processor(path: Path) -> Any:
    """Of pictures and texts, padded on the left: an answer goes on where its question ends."""
    try:  # by Pillow: torchvision, where it is installed, would resize to other pixels
        processor = AutoProcessor.from_pretrained(path, local_files_only=True, backend="pil")
    except (OSError, ValueError) as error:
        raise MissingInput(f"{path} holds no processor: {str(error).splitlines()[0]}") from None
    except ImportError as error:  # processors that also take videos ask for torchvision
        said = " ".join(str(error).split())[:120]
        raise BadRequest(f"{path} asks for more than is installed: {said}", hint='use kind = "http"') from None
    if not isinstance(processor, ProcessorMixin):
        raise BadRequest(f"{path} is no model of pictures and texts: it has a {type(processor).__name__} alone")
    processor.tokenizer.padding_side = "left"
    processor.tokenizer.pad_token = processor.tokenizer.pad_token or processor.tokenizer.eos_token
    return processor


def _conversation(picture: Image.Image, question: str) -> list[dict[str, Any]]:
    content = [{"type": "image", "image": picture}, {"type": "text", "text": question}]
    return [{"role": "user", "content": content}]
