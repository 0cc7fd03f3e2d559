"""Who is a model's champion: an append-only log in the store, each entry created once.

MLflow has no compare-and-set, so its aliases are only a projection of this log (`tracking.aliases`). Entry n can be
created by one caller: of two promotions at once one gets the number, and the other is refused because the champion that
it was compared with is no longer the champion.

    <store>/promotions/<model>/0000.json    the base, where it is registered: what the first champion replaces
    <store>/promotions/<model>/0001.json    promote ...
    <store>/promotions/<model>/0002.json    rollback: the champion before is champion again
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import ValidationError

from components.core import store
from components.core.config import Contract, describe
from components.core.errors import BadData, BadRequest, Conflict
from components.core.layout import promotions


class Candidate(Contract):
    """A registered policy, and what it stands on."""

    policy_id: str
    base_id: str
    run: str
    """URI of the run that made it."""
    policy: int
    """Its number there; 0 is the base."""
    training: str | None
    """Prefix of its training; None for the base."""
    registration: str
    """Prefix of its registration."""


class Promotion(Candidate):
    """One entry of the log: since then this policy is the champion."""

    number: int
    action: Literal["base", "promote", "rollback"]
    model: str
    by: str
    """Who approved: a person, or `automatic`."""
    reason: str
    at: datetime


def read_log(store_uri: str, model: str) -> tuple[Promotion, ...]:
    """Every entry, oldest first. Raises BadData where one is not of this log: nothing may be built on it then."""
    prefix = promotions(store_uri, model)
    names = [name for name in store.children(prefix) if name.endswith(".json")]
    log = tuple(_read_entry(f"{prefix}/{name}") for name in sorted(names, key=lambda name: (len(name), name)))
    for number, entry in enumerate(log):
        if (entry.number, entry.model) != (number, model) or not standing(log[: number + 1]):
            raise BadData(f"{prefix} is no log of champions: entry {number} says {entry.number}, {entry.action}")
    return log


def standing(log: Sequence[Promotion]) -> tuple[Promotion, ...]:
    """Champions that a rollback can still return to, oldest first; the last is the champion.

    A promotion puts a policy on top, a rollback takes the top away.
    """
    stack: list[Promotion] = []
    for entry in log:
        if entry.action == "rollback":
            del stack[-1:]
        else:
            stack.append(entry)
    return tuple(stack)


def champion(store_uri: str, model: str) -> Promotion | None:
    """The model's champion; None before the first."""
    stack = standing(read_log(store_uri, model))
    return stack[-1] if stack else None


def promote(store_uri: str, model: str, candidate: Candidate, *, expected: int, by: str, reason: str) -> Promotion:
    """Make a policy the champion, if the log still has the `expected` number of entries.

    A repeat by the same caller finds its own entry and is fine. Raises Conflict if somebody was first (the candidate
    was compared with a champion that is none any more) or if it is the champion already, and BadRequest for a policy
    of another base than the champion's.
    """
    action: Literal["base", "promote"] = "promote" if candidate.policy else "base"
    stack = standing(read_log(store_uri, model)[:expected])
    if stack and stack[-1].policy_id == candidate.policy_id:
        raise Conflict(
            f"policy {candidate.policy_id:.12} is the champion of {model} already, since entry {stack[-1].number}"
        )
    if stack and stack[-1].base_id != candidate.base_id:
        raise BadRequest(
            f"the champion of {model} belongs to the base {stack[-1].base_id}, policy {candidate.policy_id:.12} to "
            f"{candidate.base_id}",
            hint="policies of two bases cannot replace one another: choose another registration.model",
        )
    return _append(store_uri, model, candidate, action=action, expected=expected, by=by, reason=reason)


def rollback(store_uri: str, model: str, *, by: str, reason: str, expected: int | None = None) -> Promotion:
    """Make the champion before champion again. Raises BadRequest if there is none.

    `expected` is the length of the log that the caller saw: with it a repeat finds its own entry, as in `promote`.
    Without it each call goes back by one more.
    """
    log = read_log(store_uri, model)
    number = len(log) if expected is None else expected
    stack = standing(log[:number])
    if len(stack) < 2:
        what = f"{stack[-1].policy_id:.12} is its first" if stack else "it has none"
        raise BadRequest(f"{model} has no champion to go back to: {what}", hint="`ddpo champion` shows the log")
    before = Candidate(**stack[-2].model_dump(include=set(Candidate.model_fields)))
    return _append(store_uri, model, before, action="rollback", expected=number, by=by, reason=reason)


def _append(
    store_uri: str,
    model: str,
    candidate: Candidate,
    *,
    action: Literal["base", "promote", "rollback"],
    expected: int,
    by: str,
    reason: str,
) -> Promotion:
    entry = Promotion(
        **candidate.model_dump(),
        number=expected,
        action=action,
        model=model,
        by=by,
        reason=reason,
        at=datetime.now(UTC),
    )
    log = read_log(store_uri, model)
    place = f"{promotions(store_uri, model)}/{expected:04d}.json"
    if len(log) == expected and store.create(place, entry.model_dump_json(indent=1).encode()):
        return entry
    log = read_log(store_uri, model)
    if expected < len(log) and _same(log[expected], entry):
        return log[expected]
    if action == "rollback":
        raise Conflict(f"{model} was changed meanwhile: its champion is {_newest(log)}", hint="look, and ask again")
    raise Conflict(
        f"{model} has another champion since, {_newest(log)}: {candidate.policy_id:.12} was held against another",
        hint="evaluate it against the new champion: `ddpo fork` the run, or let the next retraining do it",
    )


def _read_entry(uri: str) -> Promotion:
    try:
        return Promotion.model_validate_json(store.read(uri))
    except ValidationError as error:
        raise BadData(f"{uri} is no entry of a log of champions: {describe(error)}") from None


def _same(found: Promotion, entry: Promotion) -> bool:
    return found.model_dump(exclude={"at"}) == entry.model_dump(exclude={"at"})


def _newest(log: Sequence[Promotion]) -> str:
    return f"{log[-1].policy_id:.12}, entry {log[-1].number}" if log else "none"
