"""What a comparison says, in sentences and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from components.core.comparison_table import Row, Table, against
from components.evaluation.report.vocabulary import DASH, first_up, percent, plain, signed

TUNED = (
    "Each rate was tried with each tuning seed, on the same small budget for every algorithm, and is as good as the "
    "worst of its runs by the same score."
)


def reward_title(reward: str) -> str:
    """A reward's name as a heading.

    >>> reward_title("caption_alignment")
    'Caption alignment'
    """
    return first_up(reward.replace("_", " "))


def findings(table: Table) -> list[str]:
    """A sentence a reward: who is first, and how clearly it is above each of the others."""
    found = []
    for base in table.bases:
        unfinished = sum(f"-{base.reward}-" in run for run in table.unfinished)
        found.append(_finding(table.of(base.reward), base.reward, unfinished))
    return [sentence for sentence in found if sentence]


def _finding(rows: list[Row], reward: str, unfinished: int) -> str:
    if not rows:
        return ""
    first, *others = rows
    if unfinished:
        return f"{reward_title(reward)}: no order yet, {unfinished} of its runs are not finished."
    if first.score <= 0:
        return f"{reward_title(reward)}: no algorithm gained anything that counts."
    said = f"{reward_title(reward)}: {first.algorithm} is first with {signed(first.score)} sd"
    above = "; ".join(f"against {row.algorithm} ({signed(row.score)}): {against(first, row)}" for row in others)
    return f"{said}. {first_up(above)}." if above else f"{said}."


def definition(table: Table) -> str:
    """What the score is, in one paragraph."""
    judges, diversity = percent(table.keep.judges), percent(table.keep.diversity)
    apart = "".join(
        f" {judge}, whose zero means nothing, may fall by {plain(allowed, 2)} standard deviations instead."
        for judge, allowed in table.keep.loss_sd.items()
    )
    if all(e.diversity is None for run in table.runs for e in run.evaluations):
        apart += " Diversity could not be measured here, and nothing was held against it."
    return (
        "The score of a run is its largest held-out gain over the base (the same prompts and noise, in standard "
        "deviations of the base's pictures) among the evaluated policies that keep what the base could: every judge at "
        f"least {judges} of its base score, on seen and on held-out prompts, and the pictures of a prompt at least "
        f"{diversity} of the base's diversity, in a judge's eyes.{apart} The base counts with 0. A judge is a model "
        "that no run was paid by. So a reward that is gained by destroying pictures, or by drawing one again and "
        "again, has no part in it: such a run has the score of its last sound policy. Every run is evaluated equally "
        "often, and choosing its best policy lifts every score a little; learning rates were chosen on the same "
        "held-out prompts, with other seeds."
    )


def markdown(table: Table) -> str:
    """The table and its words, for a store, a page of documentation, or MLflow."""
    lines = [f"# {table.title}", "", *(f"- {sentence}" for sentence in findings(table)), "", definition(table)]
    lines += ["", f"{table.reward_queries} reward queries a run; brackets: the least and the largest seed."]
    for base in table.bases:
        unit = f"The base's {base.scorer} is {plain(base.mean, 3)} ± {plain(base.std, 3)}"
        judged = ", ".join(f"{name} {plain(mean, 3)}" for name, mean in base.judges.items())
        lines += ["", f"## {reward_title(base.reward)}", "", f"{unit}; its judges: {judged}.", ""]
        lines += [
            "| algorithm | learning rate | seeds | score, sd | seen, sd | judges keep | diversity | at query "
            "| gain at the end | judges keep there | diversity there | KL there, nats |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|",
            *(f"| {' | '.join(cells(row))} |" for row in table.of(base.reward)),
            f"| base | {DASH} | {DASH} | 0 | 0 | 100 % | 100 % | 0 | 0 | 100 % | 100 % | 0 |",
        ]
    lines += list(_tuning(table))
    if table.unfinished:
        lines += ["", f"Not finished, and not in it: {', '.join(table.unfinished)}."]
    return "\n".join(lines).replace("\u00a0", " ") + "\n"


def cells(row: Row) -> tuple[str, ...]:
    """A row as text."""
    return (
        row.algorithm,
        f"{row.learning_rate:g}",
        str(row.seeds),
        f"{signed(row.score)} [{signed(row.low)}, {signed(row.high)}]",
        signed(row.seen) if row.seen is not None else DASH,
        percent(row.kept),
        share(row.diversity),
        f"{row.queries:,.0f}",
        signed(row.last_gain),
        percent(row.last_kept),
        share(row.last_diversity),
        f"{row.last_kl:,.0f}",
    )


def share(value: float | None) -> str:
    """Of the base; a dash where it was not measured."""
    return DASH if value is None else percent(value)


def _tuning(table: Table) -> Iterator[str]:
    if not table.tuning:
        return
    yield from ("", "## Learning rates", "", f"{TUNED} At the end: mean gain, least share.", "")
    yield "| algorithm | reward | learning rate | worst score, sd | of | gain at the end | judges keep | diversity | |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for rate in table.tuning:
        chosen = "**chosen**" + (", at the edge" if rate.at_edge else "") if rate.chosen else ""
        scores = (signed(rate.score), ", ".join(map(signed, rate.scores)))
        numbers = (*scores, signed(rate.last_gain), percent(rate.last_kept), share(rate.last_diversity))
        yield f"| {rate.algorithm} | {rate.reward} | {rate.learning_rate:g} | {' | '.join(numbers)} | {chosen} |"
