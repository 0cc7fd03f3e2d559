"""Small random models in the layouts of the published ones: real classes, real files, no download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    DebertaConfig,
    DebertaForSequenceClassification,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessorPil,
    LlavaNextProcessor,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

END, FIRST_WORD = "</s>", "cat"
WORDS = [
    "user", "assistant", "answer", "concisely", "what", "is", "going", "on", "in", "this", "image", "how", "many",
    "are", "there", "animal", "a", "an", "the", "dog", "fox", "mice", "sheep", "two", "three", "riding", "bike", "of",
]  # fmt: skip
VOCABULARY = [END, FIRST_WORD, *WORDS, "<unk>", "<s>", "<pad>", "<image>"]
PICTURE = {"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}}
CHAT_TEMPLATE = (
    "{% for m in messages %}USER: {% for c in m.content %}{% if c.type == 'image' %}<image>{% else %} {{ c.text }}"
    "{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)


def llava(directory: Path, *, chat_template: str | None = CHAT_TEMPLATE, silent: bool = False) -> Path:
    """LLaVA 1.5's architecture, 16 wide: a CLIP tower of one layer, a Llama of one layer.

    `silent`: every token is equally likely, so greedy decoding takes the first there is, and that ends the answer.
    """
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    config = LlavaConfig(
        **_towers(tokenizer), image_token_index=tokenizer.convert_tokens_to_ids("<image>"), vision_feature_layer=-1,
        image_seq_length=4,
    )  # fmt: skip
    model = _with_eyes(LlavaForConditionalGeneration(config))
    if silent:
        torch.nn.init.zeros_(model.model.language_model.norm.weight)
    model.save_pretrained(directory)
    LlavaProcessor(
        CLIPImageProcessorPil(**PICTURE), tokenizer, patch_size=8,
        vision_feature_select_strategy="default", num_additional_image_tokens=1,
        chat_template=chat_template,
    ).save_pretrained(directory)  # fmt: skip
    return directory


def llava_next(directory: Path) -> Path:
    """LLaVA 1.6: a picture is cut into tiles, more for some shapes than for others."""
    torch.manual_seed(0)
    tokenizer, shapes = _tokenizer(), [[16, 32], [32, 16], [32, 32]]
    config = LlavaNextConfig(
        **_towers(tokenizer), image_token_index=tokenizer.convert_tokens_to_ids("<image>"), vision_feature_layer=-1,
        image_grid_pinpoints=shapes,
    )  # fmt: skip
    _with_eyes(LlavaNextForConditionalGeneration(config)).save_pretrained(directory)
    LlavaNextProcessor(
        LlavaNextImageProcessorPil(**PICTURE, image_grid_pinpoints=shapes), tokenizer, patch_size=8,
        vision_feature_select_strategy="default", num_additional_image_tokens=1, chat_template=CHAT_TEMPLATE,
    ).save_pretrained(directory)  # fmt: skip
    return directory


def deberta(directory: Path, *, layers: int = 3) -> Path:
    """microsoft/deberta-xlarge-mnli, 16 wide, in its published layout: a pickled classifier and a byte-level BPE."""
    torch.manual_seed(0)
    tokens = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", *sorted(ByteLevel.alphabet())]
    config = DebertaConfig(
        vocab_size=len(tokens), hidden_size=16, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=64, relative_attention=True, pos_att_type="c2p|p2c", position_biased_input=False,
        type_vocab_size=0, num_labels=3,
    )  # fmt: skip
    config.save_pretrained(directory)
    torch.save(DebertaForSequenceClassification(config).state_dict(), directory / "pytorch_model.bin")
    _save_bytes_tokenizer(tokens, directory)
    return directory


def roberta(directory: Path) -> Path:
    """roberta-large, 16 wide, in its published layout: it was trained on masked words, and has no pooler."""
    torch.manual_seed(0)
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(ByteLevel.alphabet())]
    config = RobertaConfig(
        vocab_size=len(tokens), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=66, type_vocab_size=1, bos_token_id=0, pad_token_id=1, eos_token_id=2,
    )  # fmt: skip
    RobertaForMaskedLM(config).save_pretrained(directory)
    _save_bytes_tokenizer(tokens, directory)
    return directory


def _save_bytes_tokenizer(tokens: list[str], directory: Path) -> None:
    """A byte-level BPE without merges: each byte is a token."""
    (directory / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (directory / "merges.txt").write_text("#version: 0.2\n")
    (directory / "tokenizer_config.json").write_text('{"do_lower_case": false}')


def _towers(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = CLIPVisionConfig(image_size=16, patch_size=8, projection_dim=8, **size)
    text = LlamaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=256, pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, **size,
    )  # fmt: skip
    return {"vision_config": vision, "text_config": text}


def _with_eyes(model: Any) -> Any:
    """A fresh network is nearly deaf to the picture: with larger weights, its answer depends on it."""
    with torch.no_grad():
        for weight in (w for w in model.parameters() if w.ndim > 1):
            weight.mul_(20)
    return model


def _tokenizer() -> PreTrainedTokenizerFast:
    """A word a token."""
    words = Tokenizer(models.WordLevel({token: i for i, token in enumerate(VOCABULARY)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", bos_token="<s>", eos_token=END, pad_token="<pad>",
        extra_special_tokens=["<image>"],
    )  # fmt: skip
