"""The page of the reward server: its examples are of the schema, and its figures those of the code."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from components.core.config import RewardConfig
from components.scoring.rewards.remote import RemoteOptions
from components.scoring.server.protocol import Identity, Limits, ScoreAnswer, ScoreRequest, pixels_sha256
from tests.scoring.shards import flat

PAGE = (Path(__file__).parents[3] / "docs" / "reward-server.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_are_of_the_schema_and_hide_no_field() -> None:
    for text, model in zip(blocks("json"), (Identity, ScoreRequest, ScoreAnswer), strict=True):
        shown = json.loads(text.replace("iVBORw0KGgo...", "iVBORw0KGgo="))
        assert model.model_validate(shown).model_dump(mode="json").keys() == shown.keys()
    asked, answer = (json.loads(text) for text in blocks("json")[1:])
    assert asked["pictures"][0]["picture_sha256"] == answer["scores"][0]["picture_sha256"] == pixels_sha256(flat(64))
    assert json.loads(blocks("json")[0])["limits"] == Limits().model_dump()


def test_the_configs_are_configs() -> None:
    """The values that stand there are the defaults, so the page says them all."""
    first, two = (tomllib.loads(text) for text in blocks("toml"))
    options = RemoteOptions.model_validate(first["reward"]["options"])
    default = RemoteOptions()
    assert (options.batch, options.timeout, options.attempts) == (default.batch, default.timeout, default.attempts)
    assert f"backoff = {default.backoff:g} s" in PAGE
    for named in (two["reward"], *two["evaluation"]["judges"]):
        RemoteOptions.model_validate(RewardConfig.model_validate(named).options)
