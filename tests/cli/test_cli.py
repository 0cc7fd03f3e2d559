"""`ddpo` for people: it says what it will do, and when something is wrong it says so in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from components.core import campaign, opening, store
from components.core.contracts import StepName, TrainingResult
from components.core.layout import RunLayout
from components.core.runner import load_request
from dags.pipeline import presets
from dags.pipeline.cli import app
from dags.pipeline.plans import plan_iteration
from tests.dags.fake_steps import base_model

HEAVY = {"airflow", "torch", "diffusers", "mlflow", "boto3", "rich.progress", "PIL"}


class Shell:
    """The command line, with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.base = base_model(home / "base")
        self.store = (home / "store").as_uri()

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, list(arguments))
        return result.exit_code, result.stdout, result.stderr

    def open(self, run_id: str, *overrides: str) -> RunLayout:
        config = presets.resolve("smoke", [f"base.model={self.base}", *overrides])
        return opening.open_run(self.store, run_id, config)


@pytest.fixture
def ddpo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("DDPO_HOME", str(tmp_path))
    for name in ("DDPO_STORE", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "")
    return Shell(tmp_path)


def train(run: RunLayout, k: int) -> None:
    request = load_request(StepName.TRAINING, plan_iteration(run, k).uri("training"))
    metrics = {"reward_mean": 1.0 + k, "reward_std": 0.25, "ratio_max_deviation": 2e-7}
    result = TrainingResult(
        policy_id=f"p{k + 1}", parent_id=f"p{k}", iteration=k, metrics=metrics, samples=8, dropped=0
    )
    with store.Attempt(request.out, step="training") as attempt:
        attempt.commit(request, result)


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    script = "import sys, dags.pipeline.cli; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("command", [command.name or command.callback.__name__ for command in app.registered_commands])
def test_every_command_explains_itself(ddpo: Shell, command: str) -> None:
    code, out, _ = ddpo(command, "--help")
    assert code == 0
    assert f"ddpo {command}" in out
    assert len(out.splitlines()) >= 5


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_is_a_config_that_says_what_it_is_for(name: str) -> None:
    assert presets.resolve(name).iterations >= 1
    assert len(presets.about(name)) > 20
    assert presets.path(name).read_text().count("#") >= 5


def test_plan_counts_before_anything_starts(ddpo: Shell) -> None:
    """Two iterations of 4 × 2; policies 0 and 2 are evaluated on 60 animals, once by each of two samplers."""
    code, out, _ = ddpo("plan", "smoke", "--set", f"base.model={ddpo.base}")
    lines = dict(
        line.split(None, 1) for line in out.splitlines() if not line.startswith(("in the", "reward q", "denoi"))
    )
    assert code == 0
    assert lines["iterations"] == "2 of 4 prompts × 2 pictures"
    assert "reward queries  16" in out
    assert lines["evaluations"] == "2 of the set tiny-v1, 240 pictures, some by the sampler that ships"
    assert lines["time"] == "no earlier run to measure by"
    assert not (ddpo.home / "store").exists()


def test_plan_measures_by_an_earlier_run(ddpo: Shell) -> None:
    train(ddpo.open("cats"), 0)
    assert "as run cats took" in ddpo("plan", "smoke", "--set", f"base.model={ddpo.base}")[1]


def test_plan_knows_the_sizes_of_a_base_that_is_here(ddpo: Shell) -> None:
    """8 × 8 × 10 latents of 4 bytes, six of them: 15 360 bytes a picture, and 20 for five log-probs."""
    for part, config in (("unet", {"in_channels": 10, "sample_size": 8}), ("vae", {"block_out_channels": [1, 2, 3]})):
        (ddpo.base / part).mkdir()
        (ddpo.base / part / "config.json").write_text(json.dumps(config))
    code, out, _ = ddpo("plan", "smoke", "--set", f"base.model={ddpo.base}")
    assert code == 0
    assert "32 px\n" in out
    pictures = 32 * 32 * 2.5
    assert f"about {(16 * (15_360 + 20 + pictures) + 240 * pictures) / 1e3:.1f} kB" in out


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("plan", "dmeo"), 64, "error: no preset 'dmeo' (one of demo, "),
        (("plan", "/nowhere.toml"), 64, "error: no preset at /nowhere.toml"),
        (("run", "smoke", "--set", "training.lr=1"), 64, "error: smoke.toml: training.lr: unknown key\n"),
        (("run", "smoke", "--set", "sampler.steps=1"), 64, "error: smoke.toml: sampler.steps = 1: "),
        (("run", "smoke", "--set", "sampler.steps"), 64, "error: override 'sampler.steps' has no value"),
        (("run", "smoke", "--set", "base.model=/nowhere"), 66, "error: no base model at /nowhere"),
        (("run", "smoke", "--run-id", "a/b", "--set", "base.model={base}"), 64, "error: run id 'a/b' must be"),
        (("show", "dogs"), 66, "error: no run at "),
        (("resume", "dogs"), 66, "error: no run at "),
        (("stop", "dogs"), 66, "error: no run at "),
        (("verify", "dogs"), 66, "error: no run at "),
        (("report", "dogs"), 66, "error: no run at "),
        (("fork", "dogs", "--at", "1"), 66, "error: no run at "),
        (("diff", "dogs", "dogs"), 66, "error: no run at "),
        (("promote", "dogs"), 66, "error: no run at "),
        (("export", "dogs", "--out", "x"), 66, "error: no run at "),
        (("show", "--store", "/tmp/x"), 64, "error: DDPO_STORE = '/tmp/x': must be an s3:// or file:// URI"),
        (("show", "--store", "s3:///x"), 64, "error: DDPO_STORE = 's3:///x': write s3://bucket/prefix"),
    ],
)
def test_an_expected_error_is_one_line_and_an_exit_code(ddpo: Shell, arguments: Any, code: int, line: str) -> None:
    found, out, err = ddpo(*(argument.format(base=ddpo.base) for argument in arguments))
    assert (found, out) == (code, "")
    assert err.startswith(line)
    assert err.count("\n") == 1


def test_a_run_id_with_another_config_is_refused_by_name_of_the_key(ddpo: Shell) -> None:
    ddpo.open("cats")
    code, _, err = ddpo("run", "smoke", "--run-id", "cats", "--set", f"base.model={ddpo.base}", "--seed", "7")
    assert code == 73
    assert "run cats exists with another config: it differs in seed" in err
    assert err.count("\n") == 1


def test_an_unexpected_error_names_a_log_file(ddpo: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "list_runs", lambda store: 1 / 0)
    code, _, err = ddpo("show")
    assert code == 70
    assert err.startswith("error: ZeroDivisionError: division by zero (unexpected; its traceback is in ")
    assert err.count("\n") == 1
    log = Path(err.partition(" is in ")[2].partition(";")[0])
    assert "list_runs" in log.read_text()
    assert "Traceback" in ddpo("show", "--debug")[2]


def test_show_lists_the_runs_and_then_one(ddpo: Shell) -> None:
    assert ddpo("show")[1] == f"no runs in {ddpo.store}; `ddpo run demo` makes one\n"
    run = ddpo.open("cats")
    train(run, 0)
    assert ddpo("show")[1].splitlines()[1].split()[:3] == ["cats", "1/2", "jpeg_incompressibility"]
    table = ddpo("show", "cats")[1].splitlines()
    assert table[-1].split()[:6] == ["0", "8", "1.000", "±", "0.250", "2.0e-07"]


def test_show_speaks_json(ddpo: Shell) -> None:
    train(ddpo.open("cats"), 0)
    shown = json.loads(ddpo("show", "cats", "--json")[1])
    assert (shown["run"], shown["iterations_done"], shown["state"]) == ("cats", 1, "continue")
    assert shown["rows"][0]["reward_mean"] == 1.0
    assert [run["run"] for run in json.loads(ddpo("show", "--json")[1])] == ["cats"]


def test_the_store_may_be_named_anywhere(ddpo: Shell, tmp_path: Path) -> None:
    other = (tmp_path / "other").as_uri()
    assert other in ddpo("show", "--store", other)[1]
    assert other in ddpo(f"--store={other}", "show")[1]


def test_stop_and_extend_are_remembered_by_the_run(ddpo: Shell) -> None:
    run = ddpo.open("cats")
    assert "ends after its current iteration" in ddpo("stop", "cats")[1]
    assert campaign.load(run).stopping
    assert "has 7 iterations, 0 of them done" in ddpo("extend", "cats", "--iterations", "5")[1]
    assert campaign.load(run).iterations == 7
    assert ddpo("extend", "cats", "--iterations", "0")[0] == 2


def test_verify_says_what_it_read(ddpo: Shell) -> None:
    ddpo.open("cats")
    code, out, _ = ddpo("verify", "cats")
    assert code == 0
    assert "sound: 1 commits" in out


def test_verify_lists_what_does_not_hold(ddpo: Shell) -> None:
    plan = plan_iteration(ddpo.open("cats"), 0)
    (attempt,) = (ddpo.home / "store/runs/cats/iterations/0000/plan/attempts").iterdir()
    (attempt / "training.json").write_text("{}")
    code, out, err = ddpo("verify", "cats")
    assert code == 65
    assert f"{plan.prefix}/attempts/{attempt.name}/training.json" in out
    assert err == "error: run cats: 1 things do not hold (listed above)\n"


def test_down_with_nothing_up_says_so(ddpo: Shell) -> None:
    assert ddpo("down") == (0, "nothing was up\n", "")
