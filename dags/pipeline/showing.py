"""`ddpo show` and `ddpo verify`: what the store says of its runs."""

from __future__ import annotations

import json

from components.core import campaign
from components.core.layout import RunLayout
from components.core.verify import Verification, verify_run
from dags.pipeline import progress
from dags.pipeline.display import line


def all_runs(store_uri: str, *, as_json: bool) -> str:
    """One line a run."""
    states = [campaign.load(RunLayout.of(store_uri, name)) for name in campaign.list_runs(store_uri)]
    if as_json:
        summaries = [{k: v for k, v in progress.summary(state).items() if k != "rows"} for state in states]
        return json.dumps(summaries, indent=1)
    if not states:
        return f"no runs in {store_uri}; `ddpo run demo` makes one"
    width = max(24, *(len(state.run.run_id) for state in states))
    head = f"{'run':<{width}}  {'done':>9}  {'reward':<24}  {'held-out gain':<24}  state"
    lines = [
        f"{state.run.run_id:<{width}}  {f'{state.next_iteration}/{state.iterations}':>9}  "
        f"{state.config.reward.name:<24}  {progress.newest_gain(state):<24}  {campaign.decide(state).reason}"
        for state in states
    ]
    return "\n".join([head, *lines])


def one(run: RunLayout, *, as_json: bool) -> str:
    """A run's table."""
    state = campaign.load(run)
    if as_json:
        return json.dumps(progress.summary(state), indent=1)
    table = [line(progress.COLUMNS), *(line(row.cells()) for row in progress.rows(state))]
    about = (
        f"run {run.run_id}: {state.config.reward.name} on {state.config.base.model}, {campaign.decide(state).reason}"
    )
    return "\n".join([about, f"at {run.uri}", "", *table])


def verified(run: RunLayout) -> Verification:
    """Read everything back, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    campaign.load(run)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading commits", total=None)
        return verify_run(run.uri, lambda done, total, prefix: bar.update(task, completed=done, total=total))


def sound(verification: Verification) -> str:
    """What was read, in one line."""
    v = verification
    orphans = f"; {v.orphans} attempts without a commit" if v.orphans else ""
    return f"sound: {v.commits} commits, {v.files} files, {v.size / 1e6:.1f} MB, {v.policies} policies{orphans}"
