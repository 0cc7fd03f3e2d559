"""What holds of a store on a file system alone."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.core import store
from components.core.errors import BadRequest, Unavailable
from tests.core.examples import a_request, commit

KILLED_BEFORE_THE_LINK = """
import os, signal, sys
from tests.core.examples import a_request, commit
os.link = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
commit(a_request(sys.argv[1]), {"a.txt": b"a"})
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to name a descriptor")
def test_everything_is_on_the_disk_before_the_marker_has_its_name(
    file_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut can leave a commit absent, and never there with files that are not."""
    events: list[str] = []
    link = os.link

    def note_sync(descriptor: int) -> None:
        events.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)

    def note_link(source: Path, target: Path) -> None:
        events.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "link", note_link)
    manifest = commit(a_request(file_store), {"a.txt": b"a", "sub/b.txt": b"b"})
    before, after = events[: events.index("link")], events[events.index("link") + 1 :]
    assert {"a.txt", "b.txt", "sub", manifest.attempt, "attempts", "here", "COMMITTED.json.staged"} <= set(before)
    assert after == ["here"]


def test_a_kill_between_write_and_link_leaves_an_orphan_and_no_marker(file_store: str) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_LINK, file_store], check=False)
    assert killed.returncode == -signal.SIGKILL
    prefix = f"{file_store}/here"
    assert store.find(prefix) is None
    assert store.children(prefix) == ["attempts"]
    (orphan,) = store.children(f"{prefix}/attempts")
    assert store.read(f"{prefix}/attempts/{orphan}/a.txt") == b"a"

    manifest = commit(a_request(file_store), {"a.txt": b"a"})
    assert store.open_committed(prefix).manifest == manifest


def test_what_waits_for_its_link_is_never_listed(file_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(Unavailable, match="Input/output error"):
        store.create(f"{file_store}/log/0000.json", b"{}")
    assert store.children(f"{file_store}/log") == []


def test_a_file_system_without_hard_links_is_refused(file_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(BadRequest, match="no hard links"):
        store.probe(file_store)


def test_a_link_whose_answer_was_lost_is_still_ours(file_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS repeats a request, and the repeat meets the link that the first one made."""
    link = os.link

    def link_twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", link_twice)
    assert store.create(f"{file_store}/x.json", b"{}") is True


def test_a_commit_leaves_nothing_but_its_files(file_store: str) -> None:
    commit(a_request(file_store), {"sub/a.txt": b"a"})
    store.create(f"{file_store}/here/COMMITTED.json", b"{}")
    root = Path(file_store.removeprefix("file://"))
    assert sorted(p.name for p in root.rglob("*") if p.is_file()) == ["COMMITTED.json", "a.txt"]


def test_a_path_with_a_space_goes_both_ways(tmp_path: Path) -> None:
    root = (tmp_path / "my store").as_uri()
    assert "%20" in root
    store.create(f"{root}/x.txt", b"x")
    assert (tmp_path / "my store" / "x.txt").read_bytes() == b"x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_is_not_ours_is_a_bad_request(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadRequest, match="no permission"):
        store.probe(tmp_path.as_uri())
