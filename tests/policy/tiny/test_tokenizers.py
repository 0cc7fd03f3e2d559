"""The hand-built vocabularies."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer, CLIPTokenizer

from components.policy.tiny.captions import vocabulary
from components.policy.tiny.tokenizer import bert_tokenizer, clip_tokenizer, merges_for


@pytest.mark.parametrize("tokenizer", [clip_tokenizer(), bert_tokenizer()], ids=["clip", "bert"])
def test_every_word_of_the_vocabulary_is_one_token(tokenizer):
    split = [word for word in vocabulary() if len(tokenizer(word).input_ids) != 3]  # start, the word, end
    assert split == []


@pytest.mark.parametrize("tokenizer", [clip_tokenizer(), bert_tokenizer()], ids=["clip", "bert"])
def test_different_words_are_different_tokens(tokenizer):
    assert len({tokenizer(word).input_ids[1] for word in vocabulary()}) == len(vocabulary())


def test_an_unknown_word_falls_to_bytes_and_loses_nothing():
    tokenizer = clip_tokenizer()
    assert tokenizer.decode(tokenizer("zyx é").input_ids, skip_special_tokens=True) == "zyx é"


def test_a_long_prompt_is_cut_at_sixteen_tokens():
    tokens = clip_tokenizer()("a cat " * 40, truncation=True).input_ids
    assert len(tokens) == 16


def test_a_later_word_never_splits_an_earlier_one():
    """Merging c+a first would leave "cat" apart, were "at" not known already."""
    assert merges_for(["at", "cat"]) == [("a", "t</w>"), ("c", "at</w>")]


def test_the_tokenizers_survive_the_disk(tmp_path):
    for tokenizer, loader in ((clip_tokenizer(), CLIPTokenizer), (bert_tokenizer(), AutoTokenizer)):
        tokenizer.save_pretrained(tmp_path / loader.__name__)
        again = loader.from_pretrained(tmp_path / loader.__name__)
        assert again("a cat riding a bike").input_ids == tokenizer("a cat riding a bike").input_ids
        assert again.model_max_length == tokenizer.model_max_length
