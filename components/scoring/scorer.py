"""A reward under a name and an identity, loaded once a process; and what becomes of what it answers.

a number                               a reward; integers too
NaN, infinite, None                    missing, with the reason
an exception                           the whole batch missing, with the reason
another number of scores than pictures BadData: nobody knows which score is whose
a StepError                            ends the step, as it says
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import math
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import JsonValue, ValidationError

from components.core.config import RewardConfig, describe
from components.core.contracts import canonical_json
from components.core.errors import BadData, BadRequest, StepError, without_secrets
from components.core.records import PromptRow, RewardRow, SampleRow
from components.scoring.rewards.registry import BUILT_IN, find_reward, unlabelled
from components.scoring.rewards.reward import Reward, Score
from components.scoring.score_cache import ScoreCache

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scorer:
    """A reward, and who it is."""

    name: str
    reward: Reward
    description: dict[str, JsonValue]
    """Name, options and the reward's own identity: everything that decides a score. Options that a reward excludes
    (`Field(exclude=True)`) decide when an answer comes, and never which: a timeout, a number of attempts."""

    _batch: dict[int, tuple[weakref.ref[Image.Image], str, Score]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What the pictures of the last batch got, by their place in memory; the pictures themselves are not kept alive."""

    @cached_property
    def id(self) -> str:
        """Equal ids mean equal scores for equal pictures."""
        return f"{self.name}@{hashlib.sha256(canonical_json(self.description)).hexdigest()[:16]}"

    def rows(
        self, samples: list[SampleRow], pictures: list[Image.Image], cache: ScoreCache | None = None
    ) -> list[RewardRow]:
        """One row a picture, in order. What the cache knows is not scored again."""
        if cache is None:
            scores = self._score(samples, pictures)
        else:
            scores = self._complete(cache.find(self.id, samples, pictures), samples, pictures)
            cache.keep(self.id, samples, pictures, scores)
        answered = zip(samples, pictures, scores, strict=True)
        self._batch.clear()
        self._batch.update({id(p): (weakref.ref(p), sample.sample_id, score) for sample, p, score in answered})
        return [self._row(sample, score) for sample, score in zip(samples, scores, strict=True)]

    def scores(self, prompts: Sequence[PromptRow], pictures: Sequence[Image.Image]) -> list[Score]:
        """One score a picture, in order, for a probe that asks another scorer.

        A picture for which a row was just made is not scored again: the probe gets the very same score.
        """
        known = [self._known(prompt, picture) for prompt, picture in zip(prompts, pictures, strict=True)]
        return self._complete(known, prompts, pictures)

    def _complete(
        self, known: Sequence[Score | None], prompts: Sequence[PromptRow], pictures: Sequence[Image.Image]
    ) -> list[Score]:
        """Score the pictures whose score is not known."""
        new = [i for i, score in enumerate(known) if score is None]
        fresh = iter(self._score([prompts[i] for i in new], [pictures[i] for i in new]) if new else [])
        return [score or next(fresh) for score in known]

    def _known(self, prompt: PromptRow, picture: Image.Image) -> Score | None:
        of, sample_id, score = self._batch.get(id(picture), (lambda: None, "", None))
        return score if of() is picture and sample_id == prompt.sample_id else None

    def _score(self, prompts: Sequence[PromptRow], pictures: list[Image.Image]) -> list[Score]:
        try:
            answers = list(self.reward.score(pictures, list(prompts)))
        except StepError:
            raise
        except Exception as error:
            log.warning("%s failed on a batch of %d pictures", self.name, len(pictures), exc_info=True)
            return [Score.missing(_one_line(error))] * len(pictures)
        if len(answers) != len(pictures):
            raise BadData(f"scorer {self.name} gave {len(answers)} scores for {len(pictures)} pictures")
        return [as_score(answer) for answer in answers]

    def _row(self, sample: SampleRow, score: Score) -> RewardRow:
        return RewardRow(
            sample_id=sample.sample_id,
            prompt_id=sample.prompt_id,
            index=sample.index,
            split=sample.split,
            scorer=self.name,
            scorer_id=self.id,
            reward=score.reward,
            parts=score.parts,
            error=score.error,
        )


def as_score(answer: Score | float | None) -> Score:
    """What a reward said, as a score that can be stored.

    >>> as_score(3), as_score(float("nan")).error
    (Score(reward=3.0, parts={}, error=None), 'the reward is nan')
    """
    score = answer if isinstance(answer, Score) else Score(answer)
    try:
        parts = json.loads(json.dumps(score.parts, default=float, allow_nan=False))
    except (TypeError, ValueError) as error:
        return Score.missing(f"the parts are not JSON: {_one_line(error)}")
    if score.reward is None:
        return Score(None, parts, score.error or "the scorer gave no reward")
    try:
        reward = float(score.reward)
    except (TypeError, ValueError):
        return Score(None, parts, f"the reward is no number: {score.reward!r:.100}")
    if not math.isfinite(reward):
        return Score(None, parts, f"the reward is {reward}")
    return Score(reward, parts)


def load_scorers(configs: Sequence[RewardConfig]) -> list[Scorer]:
    """The scorers of a request. Raises BadRequest for an unknown name or option, or a name that stands there twice."""
    names = [config.name for config in configs]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise BadRequest(f"scorer {twice[0]} is asked for twice", hint="a judge is never the reward: choose another")
    scorers = [_load(canonical_json(config.model_dump(mode="json")).decode()) for config in configs]
    known: dict[bytes, str] = {}
    for scorer in scorers:
        first = known.setdefault(_who(scorer.description), scorer.name)
        if first != scorer.name:
            raise BadRequest(f"{scorer.name} is {first} under another name", hint="a judge is never the reward")
    return scorers


def refuse_paid_judges(reward: Scorer, judges: Sequence[Scorer]) -> None:
    """Raise BadRequest for a judge that is a part of a combined reward: it is optimised, and tells nothing more."""
    paid = {_who(part): str(part["name"]) for part in _parts(reward.description)}
    for judge in judges:
        if (part := paid.get(_who(judge.description))) is not None:
            raise BadRequest(f"{judge.name} is {part}, a part of {reward.name}", hint="a judge is never the reward")


def _parts(description: Any) -> Iterator[dict[str, Any]]:
    """Descriptions of the rewards that a combined one is made of, and of theirs."""
    if unlabelled(description["name"]) == "combined":
        for part in description["identity"]["of"]:
            yield part
            yield from _parts(part)


def _who(description: dict[str, Any]) -> bytes:
    """A scorer, whatever its label."""
    return canonical_json({**description, "name": unlabelled(description["name"])})


@cache
def _load(config_json: str) -> Scorer:
    config = RewardConfig.model_validate_json(config_json)
    reward_class = find_reward(config.name)
    try:
        options = reward_class.Options.model_validate(config.options)
    except ValidationError as error:
        raise BadRequest(f"options of {config.name}: {describe(error)}") from None
    reward: Reward = reward_class(options)
    description = {"name": config.name, "options": options.model_dump(mode="json"), "identity": reward.identity()}
    if unlabelled(config.name) not in BUILT_IN:
        description |= {"source": _source_digest(reward_class), "packages": _packages(reward_class)}
    scorer = Scorer(config.name, reward, description)
    log.info("scorer %s: %s", scorer.id, canonical_json(description).decode())
    return scorer


def _source_digest(reward_class: Any) -> str:
    """sha256 of the file that defines a reward from elsewhere: edited code is another scorer."""
    file = inspect.getsourcefile(reward_class)
    return f"sha256:{hashlib.sha256(Path(file).read_bytes()).hexdigest()}" if file else "unknown"


def _packages(reward_class: Any) -> list[JsonValue]:
    """The installed packages that bring a reward from elsewhere: another release may score otherwise in other files."""
    names = packages_distributions().get(reward_class.__module__.partition(".")[0], ())
    return [f"{name} {version(name)}" for name in sorted(set(names))]


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {without_secrets(str(error))}"[:300]
