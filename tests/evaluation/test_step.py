"""The evaluation step over the real store."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.core import store
from components.core.contracts import (
    EvaluatedPolicy,
    EvaluationRequest,
    EvaluationResult,
    ScorerComparison,
    Signal,
    StepName,
)
from components.core.errors import BadData, MissingInput
from components.core.records import RewardRow, SampleRow
from components.core.runner import run_request
from components.evaluation.limits import Calibration, Limit
from components.evaluation.panel import open_picture
from components.evaluation.tables import Key, ScoredPolicy
from tests.evaluation.scored import scored
from tests.evaluation.synthetic_run import SyntheticRun, png, score


@pytest.fixture
def synthetic(file_store: str, tmp_path: Path) -> SyntheticRun:
    return SyntheticRun(file_store, tmp_path / "base", iterations=20, seeds=2, seen=["cat", "dog"], held_out=["owl"])


def run(request: EvaluationRequest) -> EvaluationResult:
    return EvaluationResult.model_validate(run_request(StepName.EVALUATION, request).result)


def test_every_scorer_on_every_split_against_the_base(store_root: str, tmp_path: Path):
    """Over file:// and s3://: what is in the result is what is in the file, and the texture has made files larger."""
    synthetic = SyntheticRun(store_root, tmp_path / "base", seeds=2, seen=["cat", "dog"], held_out=["owl"])
    synthetic.draw_and_score(0)
    request = synthetic.draw_and_score(20)
    result = run(request)
    committed = store.open_committed(request.out)
    assert tuple(committed.rows("comparisons.jsonl", ScorerComparison)) == result.comparisons
    assert [(c.scorer, c.split, c.reference, c.sampler, c.prompts, c.pairs) for c in result.comparisons] == [
        ("jpeg_incompressibility", "seen", "base", "trained", 2, 4),
        ("jpeg_incompressibility", "held_out", "base", "trained", 1, 2),
        ("judge", "seen", "base", "trained", 2, 4),
        ("judge", "held_out", "base", "trained", 1, 2),
        ("jpeg_incompressibility", "seen", "base", "deployed", 2, 2),
        ("jpeg_incompressibility", "held_out", "base", "deployed", 1, 1),
        ("judge", "seen", "base", "deployed", 2, 2),
        ("judge", "held_out", "base", "deployed", 1, 1),
    ]
    comparison = result.comparison("jpeg_incompressibility", "seen")
    assert comparison is not None
    assert comparison.difference.mean > 0
    assert result.policy_id != result.base_id == result.start_id
    assert result.kl_to_base == pytest.approx(14 * synthetic.level(20))


def test_policy_0_is_the_base_and_differs_in_nothing(synthetic: SyntheticRun):
    result = synthetic.evaluate(0)
    assert result.kl_to_base == 0
    assert {c.difference.mean for c in result.comparisons} == {0}
    assert {signal.level for signal in result.signals} == {"pass"}
    assert (result.worst, result.generalisation) == ((), None)


def test_signals_and_worst_slices_are_in_the_result_and_the_signals_in_their_file(synthetic: SyntheticRun):
    """A base that no table speaks of: judges and health vote, the rest is shown and says why it does not."""
    synthetic.draw_and_score(0)
    request = synthetic.draw_and_score(20)
    result = run(request)
    committed = store.open_committed(request.out)
    assert tuple(committed.rows("signals.jsonl", Signal)) == result.signals
    voting = {signal.name for signal in result.signals if signal.votes}
    assert voting == {
        "judge_loss:judge",
        "judge_loss_all:judge",
        "judge_missing:judge",
        "reward_missing",
        "reward_constant",
    }
    kl = next(signal for signal in result.signals if signal.name == "kl_to_base")
    assert kl.value == result.kl_to_base
    assert "not calibrated: tiny-v1 was measured on another base; `python -m benchmarks.calibration`" in kl.reason
    assert result.calibration == "none (tiny-v1: another base)"
    assert {(s.kind, s.scorer) for s in result.worst} >= {("prompt", "jpeg_incompressibility")}


def test_generalisation_is_held_out_over_seen_gain(synthetic: SyntheticRun):
    synthetic.draw_and_score(0)
    result = run(synthetic.draw_and_score(20))
    seen, held_out = (result.comparison("jpeg_incompressibility", split) for split in ("seen", "held_out"))
    assert seen is not None
    assert held_out is not None
    assert seen.gain.low > 0
    assert result.generalisation == pytest.approx(held_out.gain.mean / seen.gain.mean)


def test_a_table_of_this_base_votes(synthetic: SyntheticRun, tmp_path: Path):
    """The synthetic run moves by 14 nats a level: a cap of 5 fails it at once, and the contrast may go anywhere."""
    table = Calibration(
        name="mine",
        base_id="bare-base",
        evaluation_set=synthetic.config.evaluation.set,
        limits={"kl_to_base": Limit(warn=1, fail=5), "statistic:contrast": Limit(warn=90, fail=99)},
    )
    (tmp_path / "mine.json").write_text(table.model_dump_json())
    synthetic.draw_and_score(0)
    request = synthetic.draw_and_score(20)
    guard = request.guard.model_copy(update={"calibration": str(tmp_path / "mine.json")})
    result = run(request.model_copy(update={"guard": guard}))
    signals = {signal.name: signal for signal in result.signals}
    assert (signals["kl_to_base"].level, signals["kl_to_base"].votes) == ("fail", True)
    assert signals["statistic:contrast"].level == "pass"
    assert result.calibration.startswith("mine@")


@pytest.fixture
def warm(synthetic: SyntheticRun, tmp_path: Path) -> SyntheticRun:
    """A run that starts from what the first iteration of another trained."""
    synthetic.train(0)
    start = synthetic.run.training(0)
    return SyntheticRun(
        synthetic.root,
        tmp_path / "base",
        seeds=2,
        seen=["cat", "dog"],
        held_out=["owl"],
        start_adapter=start,
        run_id="warm",
    )


def test_a_run_from_a_champion_is_compared_with_base_start_and_champion(warm: SyntheticRun):
    """Where the start is the champion, the champion's rows are the start's; only the base's and its ship."""
    warm.draw_and_score(0)
    request = warm.draw_and_score(30)
    result = run(request.model_copy(update={"champion": request.start}))
    assert {(c.reference, c.sampler) for c in result.comparisons} == {
        ("base", "trained"),
        ("start", "trained"),
        ("champion", "trained"),
        ("base", "deployed"),
        ("champion", "deployed"),
    }
    assert result.champion_id == result.start_id != result.base_id
    start, champion = (result.comparison("judge", "seen", name) for name in ("start", "champion"))
    assert start is not None
    assert champion == start.model_copy(update={"reference": "champion"})


def test_without_a_champion_none_is_named(warm: SyntheticRun):
    warm.draw_and_score(0)
    assert run(warm.draw_and_score(30)).champion_id is None


def test_a_repeat_has_the_same_bytes(synthetic: SyntheticRun):
    """Elsewhere, later: the same numbers, the same signals and the same panel."""
    synthetic.draw_and_score(0)
    request = synthetic.draw_and_score(20)
    first, again = (
        run_request(StepName.EVALUATION, r)
        for r in (request, request.model_copy(update={"out": request.out + "-again"}))
    )
    assert first.content_digest == again.content_digest


def test_shards_and_their_order_change_no_number(synthetic: SyntheticRun):
    synthetic.draw_and_score(0)
    request = synthetic.draw_and_score(20)
    turned = request.candidate.model_copy(update={"shards": tuple(reversed(request.candidate.shards))})
    other = request.model_copy(update={"out": request.out + "-turned", "candidate": turned})
    ours, theirs = run(other), run(request)
    assert ours.comparisons == theirs.comparisons
    assert ours.signals == theirs.signals
    assert ours.worst == theirs.worst


def test_a_missing_reward_is_counted(synthetic: SyntheticRun):
    def blind(scorer: str, sample: SampleRow, level: float, picture: bytes) -> RewardRow:
        row = score(scorer, sample, level, picture)
        lost = scorer == "judge" and sample.sample_id == "a-cat-001"
        return row.model_copy(update={"reward": None, "error": "away"}) if lost else row

    synthetic.draw_and_score(0)
    synthetic.score = blind
    comparison = run(synthetic.draw_and_score(20)).comparison("judge", "seen")
    assert comparison is not None
    assert (comparison.pairs, comparison.missing) == (3, 1)


def silent_on_held_out(name: str):
    """Scoring that a scorer failed for every held-out picture."""

    def scored(scorer: str, sample: SampleRow, level: float, picture: bytes) -> RewardRow:
        row = score(scorer, sample, level, picture)
        return row.model_copy(update={"reward": None}) if (scorer, sample.split) == (name, "held_out") else row

    return scored


def test_a_judge_that_knows_no_picture_of_a_split_is_left_out_there(synthetic: SyntheticRun):
    """An absent comparison, and neither a zero nor the end of the evaluation."""
    synthetic.score = silent_on_held_out("judge")
    result = synthetic.evaluate(0)
    assert result.comparison("judge", "held_out") is None
    assert result.comparison("judge", "seen") is not None


def test_a_split_without_any_reward_is_refused(synthetic: SyntheticRun):
    synthetic.score = silent_on_held_out("jpeg_incompressibility")
    with pytest.raises(BadData, match="no scored pair on split 'held_out': all 2 lack a reward"):
        synthetic.evaluate(0)


def test_another_scorer_is_refused(synthetic: SyntheticRun):
    synthetic.draw_and_score(0)
    synthetic.score = lambda *a: score(*a).model_copy(update={"scorer_id": "judge@2"})
    with pytest.raises(BadData, match="not comparable"):
        run(synthetic.draw_and_score(20))


def test_an_unscored_picture_is_refused(synthetic: SyntheticRun):
    synthetic.draw_and_score(0)
    request = synthetic.draw_and_score(20).model_copy(update={"judges": ("critic",)})
    with pytest.raises(BadData, match="critic did not score picture 0 of 'a-cat'"):
        run(request)


def test_the_same_pictures_twice_are_refused(synthetic: SyntheticRun):
    request = synthetic.draw_and_score(0)
    first = request.base.shards[0]
    with pytest.raises(BadData, match="a-cat-000 is drawn twice"):
        run(request.model_copy(update={"base": EvaluatedPolicy(shards=(first, first))}))


def test_pictures_of_two_policies_are_refused(synthetic: SyntheticRun):
    base, candidate = synthetic.draw_and_score(0), synthetic.draw_and_score(20)
    mixed = EvaluatedPolicy(shards=(candidate.candidate.shards[0], base.candidate.shards[1]))
    with pytest.raises(BadData, match="pictures of one policy, and got 2"):
        run(candidate.model_copy(update={"candidate": mixed}))


def test_the_scores_of_another_shard_are_refused(synthetic: SyntheticRun):
    request = synthetic.draw_and_score(0)
    one, two = request.base.shards
    crossed = EvaluatedPolicy(shards=(one.model_copy(update={"scoring": two.scoring}), two))
    with pytest.raises(BadData, match=r"scored .*, not "):
        run(request.model_copy(update={"base": crossed}))


def test_an_upstream_that_did_not_run_is_named(synthetic: SyntheticRun):
    with pytest.raises(MissingInput, match="policy-0000"):
        run(synthetic.draw_and_score(20))


def test_the_panel_shows_both_rows_of_each_split_and_the_pixels_are_theirs(synthetic: SyntheticRun):
    """Two splits of two rows at 32 x 4 = 128 px; where a base picture belongs, it is, enlarged."""
    synthetic.draw_and_score(0)
    request = synthetic.draw_and_score(20)
    run(request)
    sheet = Image.open(io.BytesIO(store.open_committed(request.out).read("panel.png")))
    assert sheet.height == 2 * (20 + 2 * (128 + 6) + 20) + 6
    base = Image.open(io.BytesIO(store.open_committed(request.base.shards[0].sampling).read("pictures/a-cat-000.png")))
    expected = base.resize((128, 128), Image.Resampling.BICUBIC)
    assert png(sheet.crop((84, 26, 84 + 128, 26 + 128))) == png(expected)
    assert "Time" not in str(sheet.info)


def test_what_is_flagged_as_unfit_is_blurred_and_the_rest_is_not(tmp_path: Path):
    """A picture of one sharp edge: blurred by a sixth of its width, no two neighbours differ by much."""
    sharp = Image.new("RGB", (32, 32), "black")
    sharp.paste("white", (16, 0, 32, 32))
    key = ("an-owl", 0)

    def step_across(fit: float) -> int:
        policy = scored({"safety": {"an-owl": [fit]}})
        shown = open_picture(_Showing(**(vars(policy) | {"commits": {key: png(sharp)}})), key)
        row = np.asarray(shown)[16, :, 0].astype(int)
        return int(np.abs(np.diff(row)).max())

    assert step_across(1.0) == 255
    assert step_across(0.0) < 40


class _Showing(ScoredPolicy):
    """A policy whose pictures are at hand."""

    def picture(self, key: Key) -> Image.Image:
        return Image.open(io.BytesIO(self.commits[key]))  # type: ignore[arg-type]


def test_the_step_imports_no_torch():
    """An evaluation runs in the light image."""
    code = "import sys; sys.modules['torch'] = None; import components.evaluation.step"
    subprocess.run([sys.executable, "-c", code], check=True)
