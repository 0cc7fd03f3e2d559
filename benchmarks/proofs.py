"""Run whole campaigns and write what they reached into docs/proofs/.

Does it learn and generalise, and the control not? And does the guard end a run that goes on for too long?
Every campaign goes through the real DAG (`ddpo run`). Numbers come from the committed evaluation reports only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from jinja2 import Template

from components.core import campaign, store
from components.core.campaign import Campaign
from components.core.contracts import EvaluationResult, ScorerComparison
from components.core.layout import RunLayout
from components.core.records import HELD_OUT
from components.core.tracking.labels import config_digest

ROOT = Path(__file__).resolve().parents[1]
SHUFFLED = "benchmarks.shuffled:ShuffledIncompressibility"
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Proof:
    """One campaign, and the scorer whose gain is looked at."""

    name: str
    preset: str
    scorer: str
    overrides: tuple[str, ...] = ()
    over_long: bool = False
    """Asked for many times more iterations than are good for the pictures: the guard must end it."""


PROOFS = (
    *(Proof(f"incompressibility-{s}", "demo", "jpeg_incompressibility", (f"seed={s}",)) for s in SEEDS),
    *(Proof(f"compressibility-{s}", "demo-compressibility", "jpeg_compressibility", (f"seed={s}",)) for s in SEEDS),
    Proof(
        "control",
        "demo",
        "jpeg_incompressibility",
        (
            f'reward.name="{SHUFFLED}"',
            'evaluation.judges=[{name="jpeg_incompressibility"},{name="judge"}]',
            "registration.enabled=false",
        ),
    ),
    Proof("alignment", "demo-alignment", "alignment"),
    Proof(
        "over-long-compressibility",
        "demo-compressibility",
        "jpeg_compressibility",
        ("iterations=60", "evaluation.every=2"),
        over_long=True,
    ),
    Proof(
        "over-long-incompressibility",
        "demo",
        "jpeg_incompressibility",
        ("iterations=150", "evaluation.every=2"),
        over_long=True,
    ),
)

PAGE = Template((Path(__file__).parent / "proofs.md.jinja").read_text())


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"One of: {', '.join(p.name for p in PROOFS)}.")] = None,
    home: Annotated[Path, typer.Option(help="Where the campaigns are kept; a finished one is not run again.")] = Path(
        "build/proofs"
    ),
    out: Annotated[Path | None, typer.Option(help="The page. Default: docs/proofs/<date>.md.")] = None,
) -> None:
    """Run the campaigns that prove the claims, and write the page."""
    chosen = [proof for proof in PROOFS if not only or proof.name in only]
    rows = [_row(proof, _run(proof, home.resolve())) for proof in chosen]
    page = out or ROOT / "docs/proofs" / f"{datetime.now(UTC):%Y-%m-%d}.md"
    page.write_text(PAGE.render(date=f"{datetime.now(UTC):%Y-%m-%d}", cores=os.cpu_count(), rows=rows))
    print(page)


def _run(proof: Proof, home: Path) -> Campaign:
    """Drive the campaign to its end, or find that it is."""
    environment = {
        **os.environ,
        "DDPO_HOME": str(home / proof.name),  # a scheduler each, so that several can run side by side
        "DDPO_STORE": (home / "store").as_uri(),
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    print(f"== {proof.name}", flush=True)
    subprocess.run([Path(sys.executable).with_name("ddpo"), *_command(proof)], check=True, env=environment, cwd=ROOT)
    return campaign.load(RunLayout.of((home / "store").as_uri(), proof.name))


def _command(proof: Proof) -> list[str]:
    return ["run", proof.preset, "--run-id", proof.name, *(part for o in proof.overrides for part in ("--set", o))]


def _row(proof: Proof, state: Campaign) -> dict[str, object]:
    last = state.reports[-1]
    started = store.open_committed(state.run.uri).manifest
    made_by = store.open_committed(state.run.training(0)).manifest.software
    ended = store.open_committed(state.run.report(last.policy)).manifest
    return {
        "name": proof.name,
        "command": " ".join(_command(proof)[1:]),
        "digest": config_digest(state.config)[:12],
        "commit": made_by.get("ddpo", "unknown")[:12],
        "versions": ", ".join(f"{k} {v}" for k, v in sorted(made_by.items()) if k != "ddpo"),
        "iterations": len(state.trained),
        "queries": state.reward_queries,
        "minutes": f"{(ended.cost.committed_at - started.cost.committed_at).total_seconds() / 60:.1f}",
        "ratio": f"{max(t.metrics['ratio_max_deviation'] for t in state.trained):.1e}",
        "kl": f"{last.kl_to_base:.1f}",
        "splits": [
            _split(last, c)
            for c in last.comparisons
            if (c.scorer, c.reference, c.sampler) == (proof.scorer, "base", "trained")
        ],
        "guard": _guard(state),
        "over_long": proof.over_long,
    }


def _guard(state: Campaign) -> dict[str, object]:
    """What the guard said of the run, and which policy it would show to people."""
    best = campaign.best_policy(state)
    levels = [verdict.level for verdict in state.verdicts]
    return {
        "asked": state.iterations,
        "warned": levels.count("warn"),
        "failed": levels.count("fail"),
        "decision": campaign.decide(state).reason,
        "best": best,
        "history": [
            {
                "policy": report.policy,
                "gain": f"{c.gain.mean:+.2f}" if (c := state.held_out(report)) else "",
                "judge": f"{judge.candidate_mean:.2f}" if (judge := report.comparison("judge", HELD_OUT)) else "",
                "kl": f"{report.kl_to_base:.0f}",
                "level": verdict.level,
                "said": verdict.said if verdict.level != "pass" else "",
                "best": report.policy == best,
            }
            for report, verdict in zip(state.reports, state.verdicts, strict=True)
        ],
    }


def _split(report: EvaluationResult, c: ScorerComparison) -> dict[str, object]:
    judge = report.comparison("judge", c.split)
    return {
        "split": c.split,
        "pairs": c.pairs,
        "base": f"{c.reference_mean:.3f}",
        "final": f"{c.candidate_mean:.3f}",
        "gain": f"**{c.gain.mean:+.2f}** [{c.gain.low:+.2f}, {c.gain.high:+.2f}]",
        "judge_base": f"{judge.reference_mean:.2f}" if judge else "not run",
        "judge_final": f"{judge.candidate_mean:.2f}" if judge else "not run",
    }


if __name__ == "__main__":
    typer.run(main)
