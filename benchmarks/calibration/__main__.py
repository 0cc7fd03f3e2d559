"""Measure how far the guard's signals may go for one base: on its own seed sets, and on runs that went well.

Base, sampler, evaluation set and scorers are those of the first healthy run. What was measured is kept below --work, so
that choosing limits again costs seconds; remove --work/signals after a change of the signals themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from benchmarks.calibration import page
from benchmarks.calibration.bench import Bench
from benchmarks.calibration.stored_runs import StoredRun
from benchmarks.calibration.tables import Measured
from benchmarks.calibration.text import ending_with, with_text
from benchmarks.calibration.trials import Trials, alarms, at_level, stopped
from components.core.errors import BadRequest
from components.core.layout import RunLayout

TEXT_SETS = 10
"""Seed sets that are looked through for text."""
EVERY = (2, 4, 6, 10)
"""How often an over-long run is taken to have been evaluated."""


def main(
    store: Annotated[str, typer.Option(help="URI of the store that the runs lie in.")],
    healthy: Annotated[list[str], typer.Option(help="Id of a run that went well; at least five.")],
    out: Annotated[Path, typer.Option(help="The table, JSON; a page of the same name in Markdown goes beside it.")],
    over_long: Annotated[list[str] | None, typer.Option(help="Id of a run that went too far: it is replayed.")] = None,
    sets: Annotated[int, typer.Option(min=2, help="Seed sets to choose limits on; as many again check them.")] = 60,
    work: Annotated[Path, typer.Option(help="Where numbers are kept between calls.")] = Path("build/calibration"),
) -> None:
    """Write a table of limits, and how it did on what it was not made from."""
    if len(healthy) < 5:
        raise BadRequest(f"{len(healthy)} healthy runs say too little about the next one", hint="name at least five")
    runs = [StoredRun.open(RunLayout.of(store, run)) for run in healthy]
    too_long = [StoredRun.open(RunLayout.of(store, run)) for run in over_long or []]
    bench = Bench(work, runs)
    rewards = list(bench.rewards)

    drawn = tqdm(range(2 * sets), desc="seed sets", unit="set", disable=None)
    seed_sets = [{reward: bench.seed_set(n, reward) for reward in rewards} for n in drawn]
    went_well = [bench.healthy(run) for run in tqdm(runs, desc="healthy runs", unit="run", disable=None)]
    replayed = tqdm(too_long, desc="over-long runs", unit="run", disable=None)
    went_too_far = [(run.layout.run_id, run.reward, bench.replayed(run)) for run in replayed]

    null = [of[rewards[0]] for of in seed_sets[:sets]]
    if bench.unread:
        texts = [bench.text_of_set(n) for n in tqdm(range(min(sets, TEXT_SETS)), desc="text", unit="set", disable=None)]
        null = [*map(with_text, null, texts), *null[len(texts) :]]
        went_well = [ending_with(run, bench.text_of_run(of)) for run, of in zip(went_well, runs, strict=True)]
    measured = Measured(out.stem, bench.standard().policy.policy_id, bench.config.evaluation.set, null, went_well)
    table = measured.table()
    trials = Trials(
        sets=sets,
        alarms_making={r: alarms([of[r] for of in seed_sets[:sets]], table, r) for r in rewards},
        alarms_checking={r: alarms([of[r] for of in seed_sets[sets:]], table, r) for r in rewards},
        healthy_fails=[
            (run.run, name)
            for run in went_well
            for signals in run.evaluations
            for name in at_level("fail", signals, measured.table_without(run.run), run.reward)
        ],
        healthy_warnings=[
            (run.run, name)
            for run in went_well
            for signals in run.evaluations
            for name in at_level("warn", signals, table, run.reward)
        ],
        collapses={
            c.name: {r: at_level("fail", bench.collapsed(c, r), table, r) for r in rewards}
            for c in tqdm(bench.collapses, desc="collapses", disable=None)
        },
        enlarged={c.name: at_level("fail", bench.text_of(c), table, rewards[0]) for c in bench.collapses if c.painted}
        if bench.unread
        else {},
        by_name={c.name: c.signals for c in bench.collapses},
        stopped=[stopped(*run, table, every) for run in went_too_far for every in EVERY],
    )
    table = table.model_copy(update={"made_from": page.summary(bench.config, runs, trials)})
    out.write_text(table.model_dump_json(indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(page.render(table, trials), encoding="utf-8")
    typer.echo(
        f"{out}: {len(table.limits)} limits, and those of {', '.join(table.rewards) or 'no reward'} of their own"
    )


if __name__ == "__main__":
    typer.run(main)
