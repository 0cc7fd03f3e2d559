"""A small request and its result, for tests that care about the store and not about a step."""

from __future__ import annotations

from components.core import store
from components.core.config import PromptsConfig
from components.core.contracts import Manifest, PromptsRequest, PromptsResult

RESULT = PromptsResult(rows=2, prompts=1)


def a_request(root: str, *, seed: int = 0) -> PromptsRequest:
    """Ask for prompts below a store."""
    return PromptsRequest(out=f"{root}/here", prompts=PromptsConfig(), seed=seed, iteration=0)


def commit(request: PromptsRequest, files: dict[str, bytes]) -> Manifest:
    """One attempt from beginning to end."""
    with store.Attempt(request.out, step="prompts") as attempt:
        for path, data in files.items():
            attempt.write(path, data)
        return attempt.commit(request, RESULT)
