"""`ddpo show`, `ddpo diff` and `ddpo verify`: what the store says of its runs."""

from __future__ import annotations

import json

from components.core import campaign, promotion
from components.core.campaign import Campaign
from components.core.layout import RunLayout
from components.core.promotion import Promotion
from components.core.verify import Verification, verify_run
from dags.pipeline import progress
from dags.pipeline.display import line
from dags.pipeline.promotions import verdict_line


def all_runs(store_uri: str, *, as_json: bool) -> str:
    """One line a run."""
    states, unreadable = campaign.load_all(store_uri)
    if as_json:
        summaries = [{k: v for k, v in progress.summary(state).items() if k != "rows"} for state in states]
        return json.dumps(summaries, indent=1)
    if not states and not unreadable:
        return f"no runs in {store_uri}; `ddpo run demo` makes one"
    width = max([24, *(len(state.run.run_id) for state in states)])
    head = f"{'run':<{width}}  {'done':>9}  {'reward':<24}  {'held-out gain':<24}  {'guard':<5}  state"
    lines = [
        f"{state.run.run_id:<{width}}  {f'{state.next_iteration}/{state.iterations}':>9}  "
        f"{state.config.reward.name:<24}  {progress.newest_gain(state):<24}  "
        f"{state.verdicts[-1].level if state.verdicts else '':<5}  {campaign.decide(state).reason}"
        for state in states
    ]
    return "\n".join([head, *lines, *unreadable, *_champions(states)])


def _champions(states: list[Campaign]) -> list[str]:
    """A line a model that has a champion."""
    models = {(state.run.store, state.config.registration.model) for state in states}
    found = [(model, promotion.champion(store_uri, model)) for store_uri, model in sorted(models)]
    return ["", *(champion_line(c) for _, c in found if c)] if any(c for _, c in found) else []


def champion_line(champion: Promotion) -> str:
    """Who is a model's champion."""
    who = f"policy {champion.policy} of {RunLayout(champion.run).run_id}" if champion.policy else "the base"
    return f"champion of {champion.model}: {who} ({champion.policy_id:.12})"


def one(run: RunLayout, *, as_json: bool) -> str:
    """A run's table."""
    state = campaign.load(run)
    if as_json:
        return json.dumps(progress.summary(state), indent=1)
    table = [line(progress.COLUMNS), *(line(row.cells()) for row in progress.rows(state))]
    about = (
        f"run {run.run_id}: {state.config.reward.name} on {state.config.base.model}, {campaign.decide(state).reason}"
    )
    champion = promotion.champion(run.store, state.config.registration.model)
    said = [verdict_line(state), champion_line(champion) if champion else ""]
    return "\n".join([about, f"at {run.uri}", *(line_ for line_ in said if line_), "", *table])


def champions(store_uri: str, models: list[str], *, as_json: bool) -> str:
    """The logs of promotions, the newest entry last."""
    logs = {model: promotion.read_log(store_uri, model) for model in models}
    if as_json:
        entries = [entry.model_dump(mode="json") for log in logs.values() for entry in log]
        return json.dumps(entries, indent=1)
    lines = []
    for model, log in logs.items():
        standing = promotion.standing(log)
        lines.append(champion_line(standing[-1]) if standing else f"{model} has no champion yet")
        lines += [_entry_line(entry) for entry in log]
    return "\n".join(lines) or f"no champions in {store_uri}; `ddpo promote RUN` makes the first"


def _entry_line(entry: Promotion) -> str:
    policy = f"policy {entry.policy} of {RunLayout(entry.run).run_id}" if entry.policy else "the base"
    return (
        f"  {entry.number:04d}  {entry.at:%Y-%m-%d %H:%M}  {entry.action:<8}  {policy}, by {entry.by}: {entry.reason}"
    )


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
