"""What the guard says stands in MLflow as curves, tags, a note and a status; the report lies beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.core import campaign, plan, tracking
from components.core.config import RunConfig
from components.core.contracts import EvaluationRequest, Signal
from components.core.errors import MissingInput
from components.core.tracking import labels
from tests.core.campaigns import SyntheticCampaign, around, base_directory, commit, evaluation_result, panel
from tests.core.mlflow_database import new_database
from tests.core.test_tracking import history


@pytest.fixture
def mlflow(tmp_path: Path) -> str:
    return new_database(tmp_path / "mlflow")


def campaign_of(levels: list[str], root: str, tmp_path: Path, **guard: object) -> SyntheticCampaign:
    """One iteration a level, each policy evaluated; the judge's loss is 0.2 a policy and has that level."""
    config = RunConfig(iterations=9, base=base_directory(tmp_path / "base"), evaluation={"every": 1}, guard=guard)
    synthetic = SyntheticCampaign.open(root, config)
    evaluate(synthetic, 0, "pass")
    for k, level in enumerate(levels):
        synthetic.iterate(k)
        evaluate(synthetic, k + 1, level)
    return synthetic


def evaluate(synthetic: SyntheticCampaign, policy: int, level: str) -> None:
    """Commit an evaluation with two signals, a champion, and the sampler that ships."""
    request = plan.evaluation_requests(synthetic.config, synthetic.run, policy)["evaluation"]
    assert isinstance(request, EvaluationRequest)
    plain = evaluation_result(synthetic.config, policy)
    (held_out,) = [c for c in plain.comparisons if c.split == "held_out" and c.scorer == synthetic.config.reward.name]
    kinds = (("champion", "trained", 1.5), ("base", "deployed", 2.5), ("champion", "deployed", 3.5))
    others = [
        held_out.model_copy(update={"reference": r, "sampler": s, "gain": around(g, 0.2), "candidate_mean": 1 + g})
        for r, s, g in kinds
    ]
    loss = Signal(
        name="judge_loss:judge", value=0.2 * policy, unit="share of base", warn=0.15, fail=0.35, level=level,
        reason=f"the judge lost {0.2 * policy:.0%}",
    )  # fmt: skip
    text = Signal(name="text_area", value=None, unit="share", votes=False, reason="pictures are too small to read")
    result = plain.model_copy(update={
        "comparisons": (*plain.comparisons, *others), "signals": (loss, text), "champion_id": "champion-id",
    })  # fmt: skip
    commit("evaluation", request, result, {"panel.png": panel(policy)})


def parent(mlflow: str, synthetic: SyntheticCampaign):
    run_id = tracking.project(synthetic.run, tracking_uri=mlflow).run_id
    with tracking.connect(mlflow) as client:
        return client.get_run(run_id)


def test_every_signal_that_has_a_value_is_a_curve(file_store, tmp_path, mlflow):
    run = parent(mlflow, campaign_of(["pass", "warn"], file_store, tmp_path))
    assert history(mlflow, run.info.run_id, "guard/judge_loss.judge") == pytest.approx({0: 0, 1: 0.2, 2: 0.4})
    assert history(mlflow, run.info.run_id, "guard/level") == {0: 0, 1: 0, 2: 1}
    assert not [key for key in run.data.metrics if "text_area" in key]


def test_each_reference_and_each_sampler_has_its_own_curve(file_store, tmp_path, mlflow):
    """Four comparisons of one scorer on one split: four curves, each with its own numbers."""
    metrics = parent(mlflow, campaign_of(["pass"], file_store, tmp_path)).data.metrics
    gains = {key: value for key, value in metrics.items() if key.startswith("evaluation/held_out/gain")}
    assert gains == pytest.approx({
        "evaluation/held_out/gain": 0.05,
        "evaluation/held_out/gain_vs_champion": 1.5,
        "evaluation/held_out/gain_deployed": 2.5,
        "evaluation/held_out/gain_vs_champion_deployed": 3.5,
    })  # fmt: skip
    assert metrics["uncertainty/held_out_gain_vs_champion_deployed_low"] == pytest.approx(3.3)
    assert metrics["evaluation/held_out/mean"] == pytest.approx(0.825)
    assert metrics["evaluation/held_out/mean_deployed"] == pytest.approx(3.5)


def test_a_run_that_the_guard_stops_has_failed_and_says_why(file_store, tmp_path, mlflow):
    run = parent(mlflow, campaign_of(["pass", "fail", "fail"], file_store, tmp_path))
    assert run.info.status == "FAILED"
    assert run.data.tags["ddpo.verdict"] == "fail"
    assert run.data.tags["ddpo.guard"] == "policy 3: the judge lost 60%"
    note = run.data.tags["mlflow.note.content"]
    assert "Guard on policy 3: **fail**\n\n- the judge lost 60%" in note
    assert "Best on held-out prompts so far: policy 1" in note


def test_an_alarm_that_nothing_confirms_is_a_warning(file_store, tmp_path, mlflow):
    run = parent(mlflow, campaign_of(["fail"], file_store, tmp_path))
    assert (run.info.status, run.data.tags["ddpo.verdict"]) == ("RUNNING", "warn")
    assert "to be confirmed" in run.data.tags["ddpo.guard"]


def test_a_run_that_the_guard_only_watches_goes_on(file_store, tmp_path, mlflow):
    run = parent(mlflow, campaign_of(["fail", "fail"], file_store, tmp_path, on_fail="continue"))
    assert (run.info.status, run.data.tags["ddpo.verdict"]) == ("RUNNING", "fail")


def test_a_report_shows_the_champion_beside_the_base(file_store, tmp_path, mlflow):
    note = parent(mlflow, campaign_of(["pass"], file_store, tmp_path)).data.tags["mlflow.note.content"]
    tables = [line for line in note.replace(" &nbsp;", "").splitlines() if line.startswith("| split |")]
    assert [line.split(" | ")[2] for line in tables] == ["base", "champion"]


def test_a_note_keeps_the_verdict_and_cuts_no_table(file_store, tmp_path, mlflow):
    """Ten times the rows are more than a tag holds: the reward's stay, whole, and everything that decides."""
    synthetic = campaign_of(["pass"], file_store, tmp_path)
    report = campaign.load(synthetic.run).reports[-1]
    many = [c.model_copy(update={"split": f"split_{i}"}) for i in range(10) for c in report.comparisons]
    state = replace(campaign.load(synthetic.run), reports=(report.model_copy(update={"comparisons": tuple(many)}),))
    note = labels.campaign_note(state, campaign.decide(state))
    assert len(note) <= 8000
    assert "Guard on policy 1: **pass**" in note
    assert "Artifacts: `panels/`" in note
    tables = [line for line in note.replace(" &nbsp;", "").splitlines() if line.startswith("| split_")]
    assert {line.count("|") for line in tables} == {8}
    assert [line.split(" | ")[1] for line in tables] == ["jpeg_incompressibility"] * 30  # seen, held_out; champion


def test_a_replay_of_an_older_scheme_brings_the_new_curves(file_store, tmp_path, mlflow):
    synthetic = campaign_of(["pass"], file_store, tmp_path)
    run = parent(mlflow, synthetic)
    with tracking.connect(mlflow) as client:
        client.set_tag(run.info.run_id, labels.PROJECTED, '{"scheme": 1, "iterations": 1, "policies": [0, 1]}')
    assert tracking.project(synthetic.run, tracking_uri=mlflow).policies == (0, 1)


def test_a_report_lies_at_one_place_and_the_newer_takes_it(file_store, tmp_path, mlflow):
    synthetic = campaign_of(["pass"], file_store, tmp_path)
    page = tmp_path / "some-name.html"
    for content in ("<p>first</p>", "<p>second</p>"):
        page.write_text(content)
        url = tracking.log_report(synthetic.run, page, mlflow)
    assert url.endswith("/report/report.html")
    assert Path(url.removeprefix("file://")).read_text() == "<p>second</p>"
    with tracking.connect(mlflow) as client:
        run_id = tracking.project(synthetic.run, tracking_uri=mlflow).run_id
        assert [file.path for file in client.list_artifacts(run_id, "report")] == ["report/report.html"]


def test_a_report_that_is_not_there(file_store, tmp_path, mlflow):
    synthetic = campaign_of([], file_store, tmp_path)
    with pytest.raises(MissingInput, match="no report at"):
        tracking.log_report(synthetic.run, tmp_path / "none.html", mlflow)
