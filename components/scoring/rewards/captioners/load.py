"""Captioners by config. What one needs is imported when it is asked for: a service needs no torch."""

from __future__ import annotations

from collections.abc import Callable

from components.core.errors import BadRequest
from components.scoring.rewards.captioners.captioner import Captioner
from components.scoring.rewards.captioners.options import CaptionerOptions, ChatServiceOptions, VisionLanguageOptions


def load_captioner(options: CaptionerOptions) -> Captioner:
    """The captioner of these options. Raises BadRequest for an unknown name, MissingInput where weights are missing."""
    if isinstance(options, VisionLanguageOptions):
        return _vision_language(options)
    if isinstance(options, ChatServiceOptions):
        return _chat_service(options)
    if options not in CAPTIONERS:
        named = ", ".join(CAPTIONERS)
        raise BadRequest(f"no captioner named {options!r}", hint=f"there is {named}, or a table with a `kind`")
    return CAPTIONERS[options]()


def _tiny() -> Captioner:
    from components.scoring.rewards.captioners.tiny import TinyCaptioner

    return TinyCaptioner()


def _vision_language(options: VisionLanguageOptions) -> Captioner:
    from components.scoring.rewards.captioners.vision_language import VisionLanguageModel

    return VisionLanguageModel(options)


def _chat_service(options: ChatServiceOptions) -> Captioner:
    from components.scoring.rewards.captioners.chat_service import ChatService

    return ChatService(options)


CAPTIONERS: dict[str, Callable[[], Captioner]] = {"tiny": _tiny}
"""Those that need no further options."""
