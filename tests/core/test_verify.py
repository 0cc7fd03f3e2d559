"""A sound run has no problems, and each planted defect is found and named: from the store alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.core import store
from components.core.contracts import Manifest, Request, Result
from components.core.errors import Unavailable
from components.core.records import PromptRow, SampleRow, dump_rows, load_rows
from components.core.verify import verify_run
from tests.core.sound_run import Change, SoundRun, row


@pytest.fixture
def sound(file_store: str) -> SoundRun:
    """A run about to be committed."""
    return SoundRun.at(file_store)


def replaced(**facts: object) -> Change:
    """A commit whose result says something else."""
    return lambda request, result, files: (result.model_copy(update=facts), files)


def manifest_at(prefix: str) -> tuple[Path, Manifest]:
    path = Path(prefix.removeprefix("file://")) / "COMMITTED.json"
    return path, Manifest.model_validate_json(path.read_bytes())


def committed_file(prefix: str, name: str) -> Path:
    path, manifest = manifest_at(prefix)
    return path.parent / "attempts" / manifest.attempt / name


def only_problem(run_uri: str) -> str:
    """The one thing that is wrong."""
    (problem,) = verify_run(run_uri).problems
    return problem


def test_a_sound_run_has_no_problems(store_root: str) -> None:
    seen: list[tuple[int, int, str]] = []
    report = verify_run(SoundRun.at(store_root).commit(), lambda *progress: seen.append(progress))
    assert report.problems == ()
    assert report.sound
    # run; evaluation prompts; 2 x (prompts, 2 x 2 shards, training); 2 x (3 x 2 shards, report); registration
    assert report.commits == 1 + 1 + 2 * 6 + 2 * 7 + 1
    assert (report.policies, report.orphans) == (2, 0)
    # prompts 3; iterations 2 x (2 samples, 4 pictures, 2 rewards, 1 adapter); evaluations 2 x (2, 4, 2, 1 panel) and
    # 2 x (1, 4, 1) of the sampler that ships
    assert report.files == 3 + 2 * 9 + 2 * 9 + 2 * 6
    assert [done for done, _, _ in seen] == list(range(report.commits))
    assert {total for _, total, _ in seen} == {report.commits}


def test_a_run_that_was_copied_elsewhere_is_still_sound(sound: SoundRun, tmp_path: Path) -> None:
    source = Path(sound.commit().removeprefix("file://"))
    shutil.copytree(source, tmp_path / "elsewhere" / "archive")
    assert verify_run((tmp_path / "elsewhere" / "archive").as_uri()).problems == ()


def test_a_run_in_the_middle_of_an_iteration_is_sound(sound: SoundRun) -> None:
    uri = sound.commit()
    for unfinished in ("registrations", "iterations/0001/training", "evaluations/policy-0002"):
        shutil.rmtree(Path(uri.removeprefix("file://")) / unfinished)
    assert verify_run(uri).problems == ()


def test_orphans_are_counted_and_are_no_problem(sound: SoundRun) -> None:
    uri = sound.commit()
    store.Attempt(sound.run.training(0), step="training").write("half.safetensors", b"half")
    store.Attempt(sound.run.training(2), step="training").write("half.safetensors", b"half")
    report = verify_run(uri)
    assert report.sound
    assert report.orphans == 2


def test_a_flipped_byte_is_found(sound: SoundRun) -> None:
    uri = sound.commit()
    committed_file(sound.run.training(0), "pytorch_lora_weights.safetensors").write_bytes(b"adapter X")
    assert "iterations/0000/training" in only_problem(uri)
    assert "pytorch_lora_weights.safetensors is corrupt" in only_problem(uri)


def test_a_truncated_file_is_found(sound: SoundRun) -> None:
    uri = sound.commit()
    committed_file(sound.run.report(2), "panel.png").write_bytes(b"pan")
    assert "panel.png has 3 bytes, and its commit says 5" in only_problem(uri)


def test_a_missing_file_is_found(sound: SoundRun) -> None:
    uri = sound.commit()
    committed_file(sound.run.scoring(1, 0), "rewards.jsonl").unlink()
    assert "rewards.jsonl is gone" in only_problem(uri)


def edit_manifest(prefix: str, **facts: object) -> None:
    path, manifest = manifest_at(prefix)
    path.write_text(manifest.model_copy(update=facts).model_dump_json())


def test_a_result_that_was_edited_is_found(sound: SoundRun) -> None:
    uri = sound.commit()
    _, manifest = manifest_at(sound.run.scoring(0, 0))
    edit_manifest(sound.run.scoring(0, 0), result={**manifest.result, "scored": 99})
    assert (
        only_problem(uri) == "iterations/0000/shards/00/scoring: the content digest is not that of its files and result"
    )


def test_a_request_that_was_edited_is_found(sound: SoundRun) -> None:
    uri = sound.commit()
    _, manifest = manifest_at(sound.run.sampling(0, 0))
    edit_manifest(sound.run.sampling(0, 0), request={**manifest.request, "seed": 1})
    assert only_problem(uri) == "iterations/0000/shards/00/sampling: the request digest is not that of its request"


def test_a_file_list_that_was_edited_is_found(sound: SoundRun) -> None:
    uri = sound.commit()
    edit_manifest(sound.run.training(0), files=())
    assert "content digest" in only_problem(uri)


def test_a_manifest_that_does_not_parse_is_found(sound: SoundRun) -> None:
    uri = sound.commit()
    path, _ = manifest_at(sound.run.report(2))
    path.write_bytes(b"")
    assert "evaluations/policy-0002/report/COMMITTED.json is not a manifest" in only_problem(uri)


def test_a_commit_moved_to_another_place_is_found(sound: SoundRun) -> None:
    uri = sound.commit()
    here, there = (Path(sound.run.scoring(1, s).removeprefix("file://")) for s in (0, 1))
    shutil.rmtree(there)
    shutil.copytree(here, there)
    problems = verify_run(uri).problems
    assert any("iterations/0001/shards/01/scoring: was committed for another prefix" in problem for problem in problems)
    assert any("rewards of iterations/0001/shards/01/sampling" in problem for problem in problems)


def test_a_swapped_parent_is_found(sound: SoundRun) -> None:
    sound.changes[sound.run.training(1)] = replaced(parent_id="p0")
    problems = verify_run(sound.commit()).problems
    assert "iteration 1: its parent is p0, but iteration 0 made p1" in problems


def test_a_start_that_did_not_make_the_parent_is_found(file_store: str) -> None:
    """The second run starts from policy 2 of the first, p2, and claims the parent p0."""
    first = SoundRun.at(file_store)
    first.commit()
    second = SoundRun.at(file_store, "second", start_adapter=first.run.training(1))
    second.changes[second.run.training(0)] = replaced(parent_id="p2")
    second.changes |= {second.run.sampling(0, s): replaced(policy_id="p2") for s in range(2)}
    assert not [problem for problem in verify_run(second.commit()).problems if "the start" in problem]
    third = SoundRun.at(file_store, "third", start_adapter=first.run.training(1))
    assert (
        f"iteration 0: its parent is p0, but the start {first.run.training(1)} made p2"
        in verify_run(third.commit()).problems
    )
    shutil.rmtree(first.run.training(1).removeprefix("file://"))
    assert any("the start" in p and "cannot be read" in p for p in verify_run(second.run.uri).problems)


def test_a_missing_iteration_is_found(sound: SoundRun) -> None:
    uri = sound.commit()
    shutil.rmtree(sound.run.training(0).removeprefix("file://"))
    assert "iteration 1 is trained, and iteration 0 is not" in only_problem(uri)


def test_samples_of_another_policy_are_found(sound: SoundRun) -> None:
    sound.changes[sound.run.sampling(1, 0)] = replaced(policy_id="p0")
    problem = only_problem(sound.commit())
    assert problem == "iteration 1: iterations/0001/shards/00/sampling was drawn by p0, not by the parent p1"


def test_samples_of_nobodys_prompt_are_found(sound: SoundRun) -> None:
    def add(request: Request, result: Result, files: dict[str, bytes]) -> tuple[Result, dict[str, bytes]]:
        extra = SampleRow(**row("goat", "riding a bike", "train").model_dump(), seed=1, picture_sha256="0" * 64)
        return result, {**files, "samples.jsonl": files["samples.jsonl"] + dump_rows([extra])}

    sound.changes[sound.run.sampling(0, 1)] = add
    assert "holds a-goat-riding-a-bike-000" in only_problem(sound.commit())


def test_samples_that_were_left_out_are_found(sound: SoundRun) -> None:
    def drop(request: Request, result: Result, files: dict[str, bytes]) -> tuple[Result, dict[str, bytes]]:
        rows = load_rows(files["samples.jsonl"], SampleRow)
        return result, {**files, "samples.jsonl": dump_rows(rows[1:])}

    sound.changes[sound.run.sampling(0, 1)] = drop
    assert "no shard holds a-dog-playing-chess-000" in only_problem(sound.commit())


def test_a_shard_that_went_missing_is_found(sound: SoundRun) -> None:
    uri = sound.commit()
    shutil.rmtree(sound.run.sampling(0, 1).removeprefix("file://"))
    assert any(
        "trained on iterations/0000/shards/01/sampling, which is not" in problem for problem in verify_run(uri).problems
    )


def test_an_evaluation_of_another_policy_is_found(sound: SoundRun) -> None:
    sound.changes[sound.run.report(2)] = replaced(policy_id="p1")
    sound.changes[sound.run.evaluation_sampling("policy-0002", 1)] = replaced(policy_id="p1")
    assert sorted(verify_run(sound.commit()).problems) == [
        "evaluations/policy-0002/report: is about p1, but policy 2 is p2",
        "evaluations/policy-0002/shards/01/sampling: is about p1, but policy 2 is p2",
    ]


def test_a_registered_stranger_is_found(sound: SoundRun) -> None:
    sound.changes[sound.run.registration(2)] = replaced(policy_id="stranger")
    assert only_problem(sound.commit()) == "registrations/0002: registers stranger, which this run did not make"


def test_a_scorer_that_changed_within_the_run_is_found(sound: SoundRun) -> None:
    sound.changes[sound.run.scoring(1, 1)] = replaced(scorer_ids={"jpeg_incompressibility": "jpeg-90"})
    problem = only_problem(sound.commit())
    assert "iterations/0001/shards/01/scoring: scorer jpeg_incompressibility is jpeg-90" in problem


@pytest.mark.parametrize(
    "leak",
    [
        row("owl", "flying a kite", "train"),
        row("owl", "playing chess", "train"),
        row("cat", "flying a kite", "train"),
        row("goat", "playing chess", "held_out"),
    ],
    ids=["prompt", "animal", "activity", "split"],
)
def test_a_held_out_prompt_in_training_is_found_where_it_was_drawn_and_where_it_was_used(
    sound: SoundRun, leak: PromptRow
) -> None:
    def drawn(request: Request, result: Result, files: dict[str, bytes]) -> tuple[Result, dict[str, bytes]]:
        rows = load_rows(files["prompts.jsonl"], PromptRow)
        return result, {"prompts.jsonl": dump_rows([*rows[:-1], leak])}

    sound.changes[sound.run.prompts(1)] = drawn
    assert verify_run(sound.commit()).problems == (
        f"iterations/0001/prompts: {leak.text!r} is held out, and was drawn for training",
        f"iterations/0001/shards/01/sampling: {leak.text!r} is held out, and was drawn for training",
    )


def test_a_prefix_that_is_no_run_is_a_problem_and_no_crash(store_root: str) -> None:
    assert "was never opened" in only_problem(f"{store_root}/runs/nothing")


def test_a_store_that_is_away_is_no_verdict(s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Unavailable):
        verify_run("s3://bucket/runs/a")
