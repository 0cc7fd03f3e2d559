"""Tokenizers over the words of the tiny world, built by hand: each known word is one token, any other falls to pieces.

`clip_tokenizer` serves the policy and the judge (byte pair encoding: 256 bytes, 256 final bytes, merges that build the
words); `bert_tokenizer` serves the text encoder of the text-similarity reward (word pieces: the words and the letters).
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from itertools import pairwise

from tokenizers.pre_tokenizers import ByteLevel
from transformers import BertTokenizer, CLIPTokenizer

from components.policy.tiny.captions import vocabulary

MAX_TOKENS = 16
START, END = "<|startoftext|>", "<|endoftext|>"
FINAL = "</w>"


def clip_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer with the two usual specials; padding is the end token, as in Stable Diffusion."""
    alphabet = sorted(ByteLevel.alphabet())
    pieces = [*alphabet, *(letter + FINAL for letter in alphabet)]
    merges = merges_for(vocabulary())
    pieces += dict.fromkeys(left + right for left, right in merges)
    tokens = {piece: index for index, piece in enumerate([*pieces, START, END])}
    return CLIPTokenizer(vocab=tokens, merges=merges, model_max_length=MAX_TOKENS)


def merges_for(words: Iterable[str]) -> list[tuple[str, str]]:
    """Merges, best first, that turn every word into one token.

    A word is first cut by the merges there are; what is left is merged from left to right by new, lower-ranked ones.
    A new merge never disturbs an earlier word, whose own merges all come before it.

    >>> merges_for(["at", "cat"])
    [('a', 't</w>'), ('c', 'at</w>')]
    """
    ranks: dict[tuple[str, str], int] = {}
    for word in words:
        pieces = _apply(ranks, [*word[:-1], word[-1] + FINAL])
        while len(pieces) > 1:
            ranks.setdefault((pieces[0], pieces[1]), len(ranks))
            pieces[:2] = [pieces[0] + pieces[1]]
    return list(ranks)


def _apply(ranks: dict[tuple[str, str], int], pieces: list[str]) -> list[str]:
    """Byte pair encoding of one word: merge the best-ranked neighbours until none is left."""
    while True:
        known = [(ranks[pair], i) for i, pair in enumerate(pairwise(pieces)) if pair in ranks]
        if not known:
            return pieces
        _, at = min(known)
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]


def bert_tokenizer() -> BertTokenizer:
    """A word-piece tokenizer whose unknown words fall back to letters."""
    letters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + letter for letter in letters)]
    tokens = {piece: index for index, piece in enumerate(dict.fromkeys([*pieces, *vocabulary()]))}
    return BertTokenizer(vocab=tokens, model_max_length=2 * MAX_TOKENS)
