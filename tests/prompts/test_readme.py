"""The README: its example runs, and its figures are those of the lists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import components.prompts
from components.prompts.lists import EvaluationSet, load_list

README = (Path(components.prompts.__file__).parent / "README.md").read_text()


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code.replace("/tmp/try-prompts", str(tmp_path)), {})
    said = capsys.readouterr().out.strip()
    assert said == "{'rows': 64, 'prompts': 16}"
    assert f"# {said}" in code


@pytest.mark.parametrize("split", ["seen", "held_out_activity", "held_out_animal", "held_out"])
def test_the_splits_are_as_large_as_it_says(split: str) -> None:
    tiny = load_list("tiny-v1", EvaluationSet)
    counts = [
        Counter(s for s, _ in tiny.prompts(template))[split] or "" for template in ("animal", "activity", "counting")
    ]
    (row,) = re.findall(rf"\| `{split}` \|(.*?)\|(.*?)\|(.*?)\|", README)
    assert [cell.strip() for cell in row] == [str(count) for count in counts]
