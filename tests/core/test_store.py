"""What holds of a store, whichever kind it is."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.core import store
from components.core.contracts import Manifest, PromptsRequest
from components.core.errors import BadData, BadRequest, Conflict, MissingInput
from components.core.records import PromptRow, dump_rows
from tests.core.examples import RESULT, a_request, commit

ROW = PromptRow(prompt_id="a-cat", index=0, text="a cat", split="train", animal="cat")


def at_once(calls: int, call: Callable[[int], object]) -> list[object]:
    """Make calls that start together."""
    barrier = threading.Barrier(calls)

    def wait_and_call(i: int) -> object:
        barrier.wait()
        return call(i)

    with ThreadPoolExecutor(calls) as pool:
        return list(pool.map(wait_and_call, range(calls)))


def file_uri(root: str, manifest: Manifest, path: str) -> str:
    return f"{root}/here/attempts/{manifest.attempt}/{path}"


def overwrite(uri: str, data: bytes | None) -> None:
    """Damage an object behind the store's back; None removes it."""
    if uri.startswith("file://"):
        path = Path(uri.removeprefix("file://"))
        path.unlink() if data is None else path.write_bytes(data)
        return
    from components.core import s3_objects

    bucket, key = s3_objects.split(uri)
    client = s3_objects._client()
    client.delete_object(Bucket=bucket, Key=key) if data is None else client.put_object(
        Bucket=bucket, Key=key, Body=data
    )


def test_nothing_is_there_before_the_commit_and_everything_after(store_root: str) -> None:
    request = a_request(store_root)
    with store.Attempt(request.out, step="prompts") as attempt:
        attempt.write("prompts.jsonl", dump_rows([ROW]))
        attempt.write("deep/er/picture.png", b"\x89PNG")
        assert store.find(request.out) is None
        with pytest.raises(MissingInput, match="nothing is committed"):
            store.open_committed(request.out)
        attempt.commit(request, RESULT)
    committed = store.open_committed(request.out)
    assert committed.rows("prompts.jsonl", PromptRow) == [ROW]
    assert committed.read("deep/er/picture.png") == b"\x89PNG"
    assert store.children(request.out) == ["COMMITTED.json", "attempts"]


def test_an_attempt_without_a_commit_is_only_an_orphan(store_root: str) -> None:
    request = a_request(store_root)
    with contextlib.suppress(ZeroDivisionError), store.Attempt(request.out, step="prompts") as attempt:
        attempt.write("half.txt", b"half")
        _ = 1 / 0
    assert store.find(request.out) is None
    assert store.children(request.out) == ["attempts"]


def test_of_eight_creators_one_wins_and_its_bytes_stay(store_root: str) -> None:
    for race in range(20):
        uri = f"{store_root}/race/{race:02d}.json"
        won = at_once(8, lambda i, uri=uri: store.create(uri, f"writer {i}".encode()))  # type: ignore[misc]
        assert won.count(True) == 1, f"race {race}"
        assert store.read(uri) == f"writer {won.index(True)}".encode()


def test_of_eight_attempts_one_commits_and_all_return_its_manifest(store_root: str) -> None:
    request = a_request(store_root)
    manifests = at_once(8, lambda i: commit(request, {"who.txt": b"%d" % i}))
    assert len({m.attempt for m in manifests if isinstance(m, Manifest)}) == 1
    assert len(store.children(f"{request.out}/attempts")) == 8


def test_a_second_attempt_at_the_same_request_gets_the_first_ones_manifest(store_root: str) -> None:
    request = a_request(store_root)
    first = commit(request, {"a.txt": b"first"})
    assert commit(request, {"a.txt": b"second"}) == first
    assert store.open_committed(request.out).read("a.txt") == b"first"


def test_another_request_for_the_same_prefix_is_a_conflict(store_root: str) -> None:
    commit(a_request(store_root, seed=0), {})
    with pytest.raises(Conflict, match="another request"):
        commit(a_request(store_root, seed=1), {})


def test_a_repeat_elsewhere_has_the_same_content_digest_and_other_times_do_not_matter(store_root: str) -> None:
    request = a_request(store_root)
    elsewhere = request.model_copy(update={"out": f"{store_root}/there"})
    one, two = commit(request, {"b": b"2", "a": b"1"}), commit(elsewhere, {"a": b"1", "b": b"2"})
    assert one.content_digest == two.content_digest
    assert one.attempt != two.attempt
    other = request.model_copy(update={"out": f"{store_root}/other"})
    assert commit(other, {"a": b"1", "b": b"3"}).content_digest != one.content_digest


def test_the_manifest_says_what_it_cost_and_what_made_it(store_root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = commit(a_request(store_root), {"a": b"12345", "b": b"678"})
    assert manifest.cost.bytes_written == 8
    assert manifest.cost.started_at <= manifest.cost.committed_at
    assert manifest.cost.seconds >= 0
    assert manifest.cost.peak_memory_mb > 1
    assert "python" in manifest.software


@pytest.mark.parametrize(
    ("damage", "says"),
    [(b"hellx", "corrupt"), (b"hel", "3 bytes"), (b"", "0 bytes"), (None, "gone")],
    ids=["flipped", "truncated", "empty", "missing"],
)
def test_a_damaged_file_is_bad_data_that_names_the_file(store_root: str, damage: bytes | None, says: str) -> None:
    manifest = commit(a_request(store_root), {"good.txt": b"good", "sub/bad.txt": b"hello"})
    overwrite(file_uri(store_root, manifest, "sub/bad.txt"), damage)
    committed = store.open_committed(f"{store_root}/here")
    with pytest.raises(BadData, match=rf"sub/bad\.txt.*{says}"):
        committed.read("sub/bad.txt")
    assert committed.read("good.txt") == b"good"


@pytest.mark.parametrize("marker", [b"", b"{}", b"\xff\xfe", b'{"step": "prompts"'])
def test_a_marker_that_is_no_manifest_is_bad_data_and_never_absent(store_root: str, marker: bytes) -> None:
    store.create(f"{store_root}/here/COMMITTED.json", marker)
    with pytest.raises(BadData, match=r"COMMITTED\.json is not a manifest"):
        store.find(f"{store_root}/here")


def test_a_manifest_cannot_point_outside_its_attempt(store_root: str) -> None:
    manifest = commit(a_request(store_root), {"a.txt": b"a"})
    sly = manifest.model_copy(update={"files": (manifest.files[0].model_copy(update={"path": "../../x"}),)})
    store.create(f"{store_root}/sly/COMMITTED.json", sly.model_dump_json().encode())
    with pytest.raises(BadData, match="not a manifest"):
        store.find(f"{store_root}/sly")


def test_a_file_that_was_not_committed_is_missing_even_if_an_attempt_wrote_it(store_root: str) -> None:
    commit(a_request(store_root), {"a.txt": b"a"})
    with pytest.raises(MissingInput, match=r"committed without b\.txt"):
        store.open_committed(f"{store_root}/here").read("b.txt")


def test_a_row_that_does_not_parse_names_its_file_and_line(store_root: str) -> None:
    commit(a_request(store_root), {"prompts.jsonl": dump_rows([ROW]) + b'{"text": 1}\n'})
    with pytest.raises(BadData, match=r"prompts\.jsonl, line 2"):
        store.open_committed(f"{store_root}/here").rows("prompts.jsonl", PromptRow)


def test_a_directory_has_all_files_of_the_commit(store_root: str, tmp_path: Path) -> None:
    commit(a_request(store_root), {"a.txt": b"a", "sub/b.txt": b"b"})
    copy = store.open_committed(f"{store_root}/here").directory(tmp_path / "copy")
    assert {p.relative_to(copy).as_posix(): p.read_bytes() for p in copy.rglob("*.txt")} == {
        "a.txt": b"a",
        "sub/b.txt": b"b",
    }


def test_a_file_too_large_for_one_request_is_written_in_parts(store_root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 takes 5 GiB in one, and an optimiser's moments may be more. Here 6 MiB are too large, and a part is 5."""
    monkeypatch.setattr("components.core.s3_objects.ONE_PUT", 6 * 2**20)
    monkeypatch.setattr("components.core.s3_objects.PART", 5 * 2**20)
    large = bytes(range(256)) * 2**15 + b"end"  # 8 MiB and 3
    commit(a_request(store_root), {"large.bin": large})
    assert store.open_committed(f"{store_root}/here").read("large.bin") == large


def test_the_same_path_twice_is_an_error(store_root: str) -> None:
    attempt = store.Attempt(f"{store_root}/here", step="prompts")
    attempt.write("a.txt", b"a")
    with pytest.raises(ValueError, match=r"a\.txt is written twice"):
        attempt.write("a.txt", b"b")


def test_an_attempt_is_over_once_it_is_committed(store_root: str) -> None:
    request = a_request(store_root)
    attempt = store.Attempt(request.out, step="prompts")
    attempt.commit(request, RESULT)
    with pytest.raises(ValueError, match="after the commit"):
        attempt.write("late.txt", b"late")
    with pytest.raises(ValueError, match="twice"):
        attempt.commit(request, RESULT)


def test_a_request_cannot_be_committed_at_another_prefix(store_root: str) -> None:
    request: PromptsRequest = a_request(store_root)
    with pytest.raises(ValueError, match="cannot commit"):
        store.Attempt(f"{store_root}/elsewhere", step="prompts").commit(request, RESULT)


@pytest.mark.parametrize("path", ["../x", "/x", "a/../b", "./a", "a//b", "", "a\\b", "a\nb", "a/"])
def test_paths_stay_below_their_attempt(store_root: str, path: str) -> None:
    with pytest.raises(BadRequest):
        store.Attempt(f"{store_root}/here", step="prompts").write(path, b"")


def test_children_are_names_one_level_down(store_root: str) -> None:
    assert store.children(f"{store_root}/nothing") == []
    for name in ("x/b.json", "x/a/deep/er.json", "x/c/1.json", "xy/other.json"):
        store.create(f"{store_root}/{name}", b"{}")
    assert store.children(f"{store_root}/x") == ["a", "b.json", "c"]
    assert store.children(f"{store_root}/x/") == ["a", "b.json", "c"]
    assert store.children(f"{store_root}/x/b.json") == []


def test_a_name_that_is_an_object_and_a_prefix_is_one_child(s3_store: str) -> None:
    """S3 has no directories; a file system cannot do this."""
    store.create(f"{s3_store}/x/both", b"")
    store.create(f"{s3_store}/x/both/below", b"")
    assert store.children(f"{s3_store}/x") == ["both"]


def test_reading_what_is_not_there_says_where(store_root: str) -> None:
    store.create(f"{store_root}/x/y.json", b"{}")
    for nothing in ("x/z.json", "x", "nowhere/z.json", "x/y.json/z"):
        with pytest.raises(MissingInput, match=nothing):
            store.read(f"{store_root}/{nothing}")


def test_a_good_store_passes_the_probe_again_and_again(store_root: str) -> None:
    store.probe(store_root)
    store.probe(f"{store_root}/")
    assert store.children(store_root) == ["probe.json"]


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "runs/a",
        "/tmp/store",
        "http://bucket/key",
        "gs://bucket/key",
        "file://relative/path",
        "file:///tmp/../etc/x",
        "file:///tmp/%2e%2e/etc/x",
        "s3:///key",
        "s3://bucket",
        "s3://bucket//key",
        "s3://bucket/a/../b",
        "s3://bucket/a\\b",
    ],
)
def test_a_uri_that_is_none_of_ours_is_a_bad_request(uri: str) -> None:
    with pytest.raises(BadRequest):
        store.read(uri)
