"""Write a policy as files that stock diffusers loads without this project: its adapter, or with --merged a pipeline.

A policy of which every weight was trained has no adapter: it is always a pipeline.

Reads    the training that committed the policy, its evaluation if there is one, the base model
Writes   the directory: README.md (the model card), panel.png, the adapter or the pipeline; all of it or nothing
Needs    for a pipeline: torch, and memory for the base in fp32; no MLflow
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path

from components.core import campaign, plan, store
from components.core.campaign import Campaign
from components.core.contracts import RegistrationRequest
from components.core.errors import BadRequest, Conflict
from components.core.layout import RunLayout
from components.registration.command import Parser, answer
from components.registration.lineage import Lineage, read_lineage
from components.registration.model_card import Place, model_card
from components.registration.model_directory import PANEL_FILE
from components.registration.step import panel_of

log = logging.getLogger("components.registration.export")  # also where it is __main__


def export(run_uri: str, out: Path, *, policy: int | None = None, merged: bool = False) -> Path:
    """Write policy k of a run (default: the best one that is fit, the newest where none was evaluated) below `out`.

    Raises Conflict if there is something in `out`, BadRequest if there is no such policy, and BadData where the merged
    pipeline does not draw what the policy draws: then nothing is written.
    """
    state = campaign.load(RunLayout.of("", run_uri))
    lineage = read_lineage(_request(state, campaign.best_policy(state) if policy is None else policy))
    out = out.expanduser().absolute()
    _require_empty(out)
    log.info("policy %d of %s, %.12s", lineage.request.policy, state.run.run_id, lineage.policy_id)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as directory:
            written = Path(directory) / "written"
            written.mkdir()
            _write(written, lineage, merged=merged)
            _require_empty(out)
            os.rename(written, out)
    except OSError as error:
        raise BadRequest(f"{out} cannot be written: {error.strerror or error}", hint="choose another --out") from None
    return out


def _request(state: Campaign, policy: int) -> RegistrationRequest:
    if not 1 <= policy <= state.next_iteration:
        raise BadRequest(
            f"run {state.run.run_id} has policies 1 to {state.next_iteration} to export, not {policy}",
            hint="0 is where it starts, and what it falls back to where no policy is fit; name one with --policy",
        )
    evaluated = store.find(state.run.report(policy)) is not None
    return plan.registration_request(state.config, state.run, policy, evaluated=evaluated)


def _require_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Conflict(f"{out} is there already, and not empty", hint="choose another --out, or remove it")


def _write(out: Path, lineage: Lineage, *, merged: bool) -> None:
    assert lineage.training is not None, "policy 0 is refused before"
    file = lineage.training.file
    place: Place = "pipeline" if merged or lineage.training.whole else "adapter"
    weights = lineage.training.committed.read(file)
    if place == "pipeline":
        from components.registration.merging import merge

        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / file).write_bytes(weights)
            merge(lineage, Path(directory) / file, out)
    else:
        (out / file).write_bytes(weights)
    (out / "README.md").write_text(model_card(lineage, place), encoding="utf-8")
    if (panel := panel_of(lineage)) is not None:
        (out / PANEL_FILE).write_bytes(panel)


def main() -> int:
    """Command line; see `--help`."""
    parser = Parser(prog="python -m components.registration.export", description=__doc__)
    parser.add_argument("--run", required=True, metavar="URI", help="the run")
    parser.add_argument("--policy", type=int, help="number of the policy; default the best one that is fit")
    parser.add_argument(
        "--merged", action="store_true", help="the whole pipeline, with the adapter added to its weights"
    )
    parser.add_argument("--out", required=True, type=Path, help="directory to write; empty, or not there yet")
    a = parser.parse_args()
    return answer(lambda: str(export(a.run, a.out, policy=a.policy, merged=a.merged)))


if __name__ == "__main__":
    sys.exit(main())
