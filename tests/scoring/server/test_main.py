"""The command that serves a reward."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2 as httpx
import pytest
from typer.testing import CliRunner

from components.scoring.server.__main__ import main
from dags.pipeline.cli import app

ROOT = Path(__file__).parents[3]
NO_TOKEN = {"DDPO_REWARD_TOKEN": ""}


def test_the_command_listens_once_the_reward_is_loaded_and_ends_by_sigterm() -> None:
    argv = [sys.executable, "-m", "components.scoring.server", "--reward=jpeg_compressibility", "--port=0"]
    options = '--options={"quality": 90}'
    environment = os.environ | {"DDPO_REWARD_TOKEN": "open sesame"}
    with subprocess.Popen([*argv, options], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as served:
        assert served.stderr is not None
        said = next(line for line in served.stderr if "running on" in line)
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+", said)
        assert httpx.get(f"{url}/identity").status_code == 401
        identity = httpx.get(f"{url}/identity", headers={"Authorization": "Bearer open sesame"}).json()
        served.terminate()
        served.stderr.read()
    assert identity["description"]["options"]["quality"] == 90
    assert served.returncode in (0, -15)  # uvicorn leaves in order, and then by the signal it was sent


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--reward=jpeg_compressibility", "--host=0.0.0.0"], 64, "0.0.0.0 is reached from elsewhere: set DDPO_REWARD"),
        (["--reward=jpeg_compressibility", "--host=reward.lan"], 64, "reward.lan is reached from elsewhere"),
        (["--reward=jpeg"], 64, "no reward named 'jpeg'"),
        (["--reward=jpeg_compressibility", '--options={"quality": 200}'], 64, "quality = 200"),
        (["--reward=jpeg_compressibility", "--options=quality"], 64, "--options 'quality' is no JSON object"),
        (["--reward=jpeg_compressibility", "--options=[]"], 64, "--options '[]' is no JSON object"),
    ],
)
def test_what_is_wrong_is_one_line_and_its_code(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DDPO_REWARD_TOKEN", raising=False)
    assert main(arguments) == code
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1


def test_the_command_line_serves_the_same_way(capfd: pytest.CaptureFixture[str]) -> None:
    result = CliRunner().invoke(app, ["serve-reward", "jpeg_compressibility", "--host=0.0.0.0"], env=NO_TOKEN)
    assert result.exit_code == 64
    assert capfd.readouterr().err.startswith("reward server: 0.0.0.0 is reached from elsewhere: set DDPO_REWARD_TOKEN")
