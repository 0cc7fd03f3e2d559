"""A run's stored pictures, scored again through the real DAG with the real step: right numbers, and nothing twice."""

from __future__ import annotations

import doctest
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import PIL
import pytest

from components.core import campaign, rescoring, store
from components.core.config import RewardConfig
from components.core.contracts import ScoringRequest
from components.core.layout import RunLayout
from components.core.records import SampleRow, dump_rows, load_rows
from components.core.rescoring import RescoredResult
from components.core.verify import verify_run
from components.scoring.rewards.jpeg import JpegOptions, jpeg_bytes
from components.scoring.scorer import _load
from components.scoring.step import run as score
from dags.pipeline import rescoring as stored
from tests.core.sound_run import SoundRun
from tests.scoring.shards import encode, noise

OTHER = RewardConfig(name="jpeg_compressibility")


def pictured(directory: Path) -> RunLayout:
    """Run `sound` with noise for pictures, larger ones later in a shard, and its real JPEG rewards."""
    sound = SoundRun.at((directory / "store").as_uri())

    def draw(request, result, files):
        rows = load_rows(files["samples.jsonl"], SampleRow)
        pictures = [noise(seed=i, side=16 * (i + 1)) for i in range(len(rows))]
        digests = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures]
        seen = [row.model_copy(update={"picture_sha256": d}) for row, d in zip(rows, digests, strict=True)]
        drawn = {row.picture: encode(picture) for row, picture in zip(rows, pictures, strict=True)}
        return result, {"samples.jsonl": dump_rows(seen), **drawn}

    def reward(request, result, files):
        written: dict[str, bytes] = {}
        scored = score(request, type("Kept", (), {"write": staticmethod(written.__setitem__)})())
        return scored, written

    class Everything(dict):
        def get(self, uri, default=None):
            return draw if uri.endswith("/sampling") else reward if "/scoring" in uri else None

    sound.changes = Everything()
    return RunLayout(sound.commit())


def ddpo(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DDPO_", "AIRFLOW"))}
    environment = kept | {"DDPO_HOME": str(directory), "DDPO_RETRY_SECONDS": "0.1"}
    command = [sys.executable, "-c", "from dags.pipeline.cli import app; app()", *arguments]
    return subprocess.run(command, env=environment, text=True, capture_output=True)


@pytest.mark.airflow
def test_stored_pictures_are_scored_again_once(tmp_path: Path) -> None:
    """Compressibility is minus the run's own reward: each mean is minus its own, and each rank correlation is -1."""
    run = pictured(tmp_path)
    before = sorted(store.below(run.uri))
    done = ddpo(tmp_path, "rescore", "sound", "--reward", "jpeg_compressibility", "--all", "--json")
    assert done.returncode == 0, done.stderr
    table = RescoredResult.model_validate_json(done.stdout[done.stdout.index("{") :])
    assert {row.group for row in table.rows} == {"policy-0000", "policy-0002", "iteration-0000", "iteration-0001"}
    assert all(row.mean == pytest.approx(-row.own_mean) for row in table.rows if row.own_mean and row.mean)
    sizes = [jpeg_bytes(noise(seed=i, side=16 * (i + 1)), JpegOptions()) / 1000 for i in range(2)]
    (last,) = [row for row in table.rows if row.group == "iteration-0001"]
    assert (last.pictures, last.missing, last.mean) == (4, 0, pytest.approx(-sum(sizes) / 2))
    assert last.rank_correlation == pytest.approx(-1)

    after = sorted(store.below(run.uri))
    assert [entry for entry in after if not entry[0].startswith("rescored/")] == before
    assert verify_run(run.uri).sound
    assert rescoring.tables(run) == {table.scorer: table}

    again = ddpo(tmp_path, "rescore", "sound", "--reward", "jpeg_compressibility", "--all")
    assert "0 shards to be scored with jpeg_compressibility, 10 are scored already" in again.stdout
    assert sorted(store.below(run.uri)) == after
    assert "policy-0002     held_out, eta 0 " in again.stdout


@pytest.mark.airflow
def test_a_reward_that_is_none_fails_in_one_line_and_changes_nothing(tmp_path: Path) -> None:
    run = pictured(tmp_path)
    refused = ddpo(tmp_path, "rescore", "sound", "--reward", "nonesuch")
    assert refused.returncode == 64
    assert "no reward named 'nonesuch'" in refused.stderr
    assert ddpo(tmp_path, "rescore", "sound", "--reward", "judge", "--options", "{").returncode == 64
    assert campaign.load(run).next_iteration == 2
    assert not rescoring.tables(run)


def test_what_is_not_drawn_is_named_and_left_out(tmp_path: Path) -> None:
    """One shard of iteration 1 is gone: the other groups are planned, and its prefix is named."""
    run = pictured(tmp_path)
    lost = run.sampling(1, 1)
    Path(lost.removeprefix("file://"), store.MARKER).unlink()
    planned = stored.plan(campaign.load(run), OTHER, "training")
    assert planned.undrawn == (lost,)
    assert [uri.rsplit("/", 3)[1] for uri in planned.requests] == ["iteration-0000"] * 2


def test_a_group_stands_in_the_table_once_it_is_whole(tmp_path: Path) -> None:
    """And a later table leaves the earlier one where it is."""
    run = pictured(tmp_path)
    state = campaign.load(run)
    planned = stored.plan(state, OTHER, "training")
    assert rescoring.commit_table(state, OTHER).rows == ()
    for uri in planned.requests[:3]:
        prefix, _, name = uri.rpartition("/")
        request = ScoringRequest.model_validate_json(store.open_committed(prefix).read(name))
        with store.Attempt(request.out, step="scoring") as attempt:
            attempt.commit(request, score(request, attempt))
    assert {row.group for row in rescoring.commit_table(state, OTHER).rows} == {"iteration-0000"}
    assert len(store.children(run.rescored_tables(rescoring.scorer_name(OTHER)))) == 2


def scored_again(run: RunLayout, *, library: str | None = None) -> None:
    """Answer every request that is left; `library` is another release of what scores, from here on."""
    for uri in stored.plan(campaign.load(run), OTHER, "training").requests:
        prefix, _, name = uri.rpartition("/")
        request = ScoringRequest.model_validate_json(store.open_committed(prefix).read(name))
        with store.Attempt(request.out, step="scoring") as attempt:
            attempt.commit(request, score(request, attempt))
        if library is not None:
            PIL.__version__ = library
            _load.cache_clear()


def test_shards_of_one_group_by_two_scorers_of_a_name_are_two_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library changed between two shards: one mean of both would be nobody's."""
    run = pictured(tmp_path)
    monkeypatch.setattr(PIL, "__version__", PIL.__version__)
    try:
        scored_again(run, library="99.0")
    finally:
        _load.cache_clear()
    table = rescoring.commit_table(campaign.load(run), OTHER)
    first, second, other = table.rows
    assert {first.group, second.group, other.group} == {"iteration-0000", "iteration-0001"}
    assert (first.pictures, second.pictures, other.pictures) == (2, 2, 4)
    assert first.scorer_id != second.scorer_id == other.scorer_id
    assert set(table.scorer_ids) == {first.scorer_id, second.scorer_id}
    assert "scored by 2 scorers of that name" in stored.as_text(table)


def test_pictures_that_the_runs_own_reward_never_saw_are_scored_too(tmp_path: Path) -> None:
    """Its service was away. Once it has answered, the next table compares the two."""
    run = pictured(tmp_path)
    scored_again(run)
    markers = [Path(run.scoring(1, s).removeprefix("file://"), store.MARKER) for s in range(2)]
    kept = [marker.read_bytes() for marker in markers]
    for marker in markers:
        marker.unlink()
    state = campaign.load(run)
    _, alone = rescoring.commit_table(state, OTHER).rows
    assert (alone.pictures, alone.missing, alone.own_mean, alone.rank_correlation) == (4, 0, None, None)
    for marker, data in zip(markers, kept, strict=True):
        marker.write_bytes(data)
    _, compared = rescoring.commit_table(state, OTHER).rows
    assert (compared.mean, compared.own_mean) == (alone.mean, pytest.approx(-compared.mean))


def test_the_masked_reward_is_the_runs_own(tmp_path: Path) -> None:
    from components.core import plan

    state = campaign.load(pictured(tmp_path))
    masked = RewardConfig(name="text_masked")
    request = plan.rescoring_requests(state.config, state.run, masked, "masked", "iteration-0000")["scoring-00"]
    assert request.scorers[0].options["reward"] == state.config.reward.model_dump(mode="json")


def test_the_examples_in_its_docstrings_hold() -> None:
    assert doctest.testmod(rescoring).failed == 0
    assert doctest.testmod(stored).failed == 0
