"""The README: its example runs, and every built-in reward and option is in its table."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import components.scoring
from components.core.config import Contract, RewardConfig
from components.scoring.rewards.captioners.options import ChatServiceOptions, VisionLanguageOptions
from components.scoring.rewards.registry import BUILT_IN, find_reward

README = (Path(components.scoring.__file__).parent / "README.md").read_text()


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code, {})
    assert re.match(r"jpeg_incompressibility@[0-9a-f]{16} \[Score\(reward=0\.6", capsys.readouterr().out)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_reward_and_option_is_in_the_table(name: str) -> None:
    assert f"| `{name}`" in README
    for option in find_reward(name).Options.model_fields:
        assert re.search(rf"`{option}`|`{option} = ", README), option


@pytest.mark.parametrize("table", [VisionLanguageOptions, ChatServiceOptions])
def test_every_option_of_a_captioner_is_on_the_page(table: type[Contract]) -> None:
    page = README[README.index("## Captioners") : README.index("## Missing is never 0")]
    for option in table.model_fields:
        assert re.search(rf"`{option}`|`{option} = ", page), option


def test_the_papers_alignment_on_the_page_is_a_valid_choice() -> None:
    (toml,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    reward = RewardConfig.model_validate(tomllib.loads(toml)["reward"])
    options = find_reward(reward.name).Options.model_validate(reward.options)
    assert (options.form, options.measure, options.text_encoder_layer) == ("text", "recall", None)
    assert options.captioner.model == "llava-hf/llava-1.5-7b-hf"
