"""What a reward says of the exhibits: as they are, swapped, blank, painted, and asked in other ways."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from tqdm import tqdm

from components.core.errors import BadData, StepError
from components.core.records import PromptRow
from components.scoring.audit.exhibits import Exhibits
from components.scoring.audit.painting import BLANKS, blank, painted
from components.scoring.rewards.reward import Reward
from components.scoring.scorer import as_score

log = logging.getLogger(__name__)

BATCH = 64
"""Pictures asked about at once, as the scoring step does."""
GROUNDS = ("white", "swapped", "right")
"""What the words are painted on: a white picture, another prompt's picture, and the right one."""

Numbers = tuple[float | None, ...]
"""One reward an exhibit; None is missing."""
Case = tuple[Image.Image, PromptRow]


@dataclass(frozen=True)
class Answers:
    """All of them, exhibit by exhibit."""

    right: Numbers
    swapped: Numbers
    """Of another prompt's picture, for this prompt."""
    blanks: dict[str, Numbers]
    """Of a picture that shows nothing, for this prompt."""
    painted: dict[str, Numbers]
    """With the wanted words (or the wanted number, whichever pays more) painted on each ground."""
    again: Numbers
    reordered: Numbers
    batches: dict[str, Numbers]
    """Asked one by one, and in threes."""
    error: str = ""
    """Why the first missing one of the true pictures is missing."""

    def plain(self, ground: str) -> Numbers:
        """The ground without words."""
        return {"white": self.blanks["white"], "swapped": self.swapped, "right": self.right}[ground]


class _Asker:
    """Asks the reward itself, past everything that might remember an answer."""

    def __init__(self, reward: Reward, progress: tqdm) -> None:
        self._reward, self._progress = reward, progress
        self.error = ""

    def __call__(self, cases: Sequence[Case], size: int = BATCH) -> Numbers:
        numbers: list[float | None] = []
        for start in range(0, len(cases), size):
            numbers += self._batch(cases[start : start + size])
            self._progress.update(len(cases[start : start + size]))
        return tuple(numbers)

    def _batch(self, cases: Sequence[Case]) -> list[float | None]:
        try:
            answers = list(self._reward.score([picture for picture, _ in cases], [prompt for _, prompt in cases]))
        except StepError:
            raise
        except Exception as error:
            log.warning("the reward failed on a batch of %d pictures", len(cases), exc_info=True)
            self.error = self.error or f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
            return [None] * len(cases)
        if len(answers) != len(cases):
            raise BadData(f"the reward gave {len(answers)} scores for {len(cases)} pictures")
        scores = [as_score(answer) for answer in answers]
        self.error = self.error or next((score.error for score in scores if score.error), "")
        return [score.reward for score in scores]


def ask(reward: Reward, exhibits: Exhibits) -> Answers:
    """Ask about everything. The true pictures come first, so that `error` is theirs."""
    items = exhibits.items
    prompts = [e.prompt for e in items]
    right = [(e.picture, e.prompt) for e in items]
    swapped = [(items[exhibits.partner(i)].picture, e.prompt) for i, e in enumerate(items)]
    grounds = {
        "white": [(blank("white", e.picture.size), e.prompt) for e in items],
        "swapped": swapped,
        "right": right,
    }
    written = sum(len(words_of(prompt)) for prompt in prompts)
    total = 6 * len(items) + len(BLANKS) * len(items) + len(GROUNDS) * written
    with tqdm(total=total, desc="asking", unit="picture", disable=None) as progress:
        asked = _Asker(reward, progress)
        first, other = asked(right), asked(swapped)
        error = asked.error
        return Answers(
            right=first,
            swapped=other,
            error=error,
            again=asked(right),
            reordered=asked(right[::-1])[::-1],
            batches={"one by one": asked(right, 1), "in threes": asked(right, 3)},
            blanks={kind: asked([(blank(kind, e.picture.size), e.prompt) for e in items]) for kind in BLANKS},
            painted={ground: _written(asked, grounds[ground]) for ground in GROUNDS},
        )


def words_of(prompt: PromptRow) -> list[str]:
    """What a forger would write: the prompt, and where a number is wanted, the number alone.

    >>> words_of(PromptRow(prompt_id="", index=0, text="three cats", split="", count=3))
    ['three cats', '3']
    """
    return [prompt.text, *([str(prompt.count)] if prompt.count is not None else [])]


def _written(asked: _Asker, ground: Sequence[Case]) -> Numbers:
    """The better-paid of the ways to write it, picture by picture."""
    cases = [(painted(picture, words), prompt) for picture, prompt in ground for words in words_of(prompt)]
    answers = iter(asked(cases))
    ways = [[next(answers) for _ in words_of(prompt)] for _, prompt in ground]
    return tuple(max((number for number in way if number is not None), default=None) for way in ways)
