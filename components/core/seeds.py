"""Seeds as a function of what is drawn, so that shards, retries and batch shapes change no picture."""

from __future__ import annotations

import hashlib


def derive_seed(*key: str | int) -> int:
    """A 63-bit seed from a key: sha256 of the parts, so neighbouring keys share nothing.

    >>> derive_seed("sampling", 0, 7) == derive_seed("sampling", 0, 7)
    True
    >>> derive_seed("a", "bc") == derive_seed("ab", "c")
    False
    """
    text = "\x1f".join(str(part) for part in key)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def iteration_seed(run_seed: int, iteration: int, purpose: str) -> int:
    """Seed of one purpose (`prompts`, `sampling`, `training`) in one iteration of a run."""
    return derive_seed("iteration", purpose, run_seed, iteration)


def evaluation_seed(evaluation_set: str) -> int:
    """Seed of an evaluation set's noise: neither run nor iteration is in it, so every policy meets the same noise."""
    return derive_seed("evaluation", evaluation_set)


def sample_seed(seed: int, prompt_id: str, index: int) -> int:
    """Seed of one picture's initial latents and step noise."""
    return derive_seed("sample", seed, prompt_id, index)
