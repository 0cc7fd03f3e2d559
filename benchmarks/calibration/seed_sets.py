"""Seed sets of the base: its pictures of the evaluation set on noise that no evaluation uses."""

from __future__ import annotations

import hashlib

from PIL import Image

from components.core.config import RunConfig
from components.core.contracts import PolicyRef
from components.core.records import PromptRow, SampleRow
from components.core.seeds import derive_seed, evaluation_seed, sample_seed
from components.policy.load import Policy, load_policy
from components.policy.rollout import rollout
from components.prompts.draw import evaluation_rows
from components.prompts.lists import EvaluationSet, load_list
from components.sampling.batches import padded_batches


class BaseModel:
    """Draws the evaluation set of a config with its bare base."""

    def __init__(self, config: RunConfig) -> None:
        self._policy: Policy = load_policy(PolicyRef(base=config.base), folded=True)
        self._set, self._sampler = config.evaluation.set, config.sampler
        prompts = load_list(self._set, EvaluationSet).prompts(config.prompts.template)
        self._rows = evaluation_rows(prompts, config.evaluation.seeds)

    @property
    def id(self) -> str:
        """As reports name it."""
        return self._policy.id

    def draw(self, number: int | None) -> tuple[list[SampleRow], list[Image.Image]]:
        """One seed set; None is the noise that every evaluation uses."""
        seed = evaluation_seed(self._set) if number is None else derive_seed("calibration", number)
        samples: list[SampleRow] = []
        pictures: list[Image.Image] = []
        for batch, real in padded_batches(self._rows, self._sampler.batch):
            seeds = [sample_seed(seed, row.prompt_id, row.index) for row in batch]
            drawn = rollout(self._policy, [row.text for row in batch], seeds, self._sampler).pictures[:real]
            samples += [sample_row(*each) for each in zip(batch[:real], seeds[:real], drawn, strict=True)]
            pictures += drawn
        return samples, pictures


def sample_row(row: PromptRow, seed: int, picture: Image.Image) -> SampleRow:
    """The row that the sampling step would write."""
    digest = hashlib.sha256(picture.tobytes()).hexdigest()
    return SampleRow(**row.model_dump(), seed=seed, picture_sha256=digest)
