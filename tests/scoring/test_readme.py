"""The README: its example runs, and every built-in reward and option is in its table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import components.scoring
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
