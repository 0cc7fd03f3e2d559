"""The README: its example runs, and its figures are those of the lists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import components.prompts
from components.prompts.lists import EvaluationSet, Template, load_list

README = (Path(components.prompts.__file__).parent / "README.md").read_text()
TEMPLATES: tuple[Template, ...] = ("animal", "activity", "counting")


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code.replace("/tmp/try-prompts", str(tmp_path)), {})
    said = capsys.readouterr().out.strip()
    assert said == "{'rows': 64, 'prompts': 16}"
    assert f"# {said}" in code


@pytest.mark.parametrize("name", ["tiny-v1", "animals-v1"])
def test_the_splits_are_as_large_as_it_says(name: str) -> None:
    evaluation = load_list(name, EvaluationSet)
    sizes = [Counter(split for split, _ in evaluation.prompts(template)) for template in TEMPLATES]
    (table,) = re.findall(rf"`{name}` is for.*?\n\n(.*?)\n\n", README, re.DOTALL)
    rows = re.findall(r"\| `(\w+)` \|(.*?)\|(.*?)\|(.*?)\|", table)
    assert {row[0] for row in rows} == set().union(*sizes)
    for split, *cells in rows:
        assert [cell.strip() for cell in cells] == [str(size[split] or "") for size in sizes], split
