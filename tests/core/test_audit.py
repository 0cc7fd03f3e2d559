"""Which audit counts for a run: the newest, of the scorer that scored its start, and of no other."""

from __future__ import annotations

import doctest
from pathlib import Path

from components.core import audit, campaign
from components.core.audit import Audited
from components.core.layout import RunLayout
from tests.core.audits import commit_audit
from tests.core.sound_run import SoundRun


def test_the_newest_audit_of_the_very_scorer_counts(tmp_path: Path) -> None:
    """The sound run is scored by `jpeg-95`: an audit of `jpeg-80` says nothing of it."""
    root = tmp_path.as_uri()
    state = campaign.load(RunLayout(SoundRun.at(root).commit()))
    assert audit.audited(state) == Audited(
        level=None, said=f"jpeg-95 is not audited: `ddpo audit {state.config.reward.name}` does it"
    )
    commit_audit(root, "jpeg-80", "fail")
    assert audit.audited(state).level is None
    commit_audit(root, "jpeg-95", "fail")
    assert audit.audited(state) == Audited(level="fail", said="the audit of jpeg-95 says fail: words earn 50 %")
    commit_audit(root, "jpeg-95", "pass", number=1)
    assert audit.audited(state).said == "the audit of jpeg-95 says pass: no probe has anything against it"


def test_a_run_may_ask_for_no_audit(tmp_path: Path) -> None:
    run = SoundRun.at(tmp_path.as_uri(), promotion={"audit": "off"})
    assert audit.audited(campaign.load(RunLayout(run.commit()))) is None


def test_the_examples_in_its_docstrings_hold() -> None:
    assert doctest.testmod(audit).failed == 0
