"""A model's aliases in MLflow, as the log of its champions says: a projection, repaired by the next call.

    champion      the policy in use: top of `promotion.standing`
    previous      the champion before it, which a rollback returns to; absent where there is none
    challenger    the policy registered last, until it is promoted. Registration sets it, promotion takes it away

The log in the store is the truth (`components.core.promotion`). Nothing here decides; called twice, it ends the same.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.core import promotion
from components.core.errors import MissingInput
from components.core.promotion import Promotion
from components.core.tracking.connection import connect, shown

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

log = logging.getLogger(__name__)

CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous", "challenger"

POLICY_ID = "ddpo.policy_id"
"""Tag that finds a policy's version: it stands on it from the call that made it."""

PROMOTED, ROLLED_BACK = "ddpo.promoted", "ddpo.rolled_back"
"""Tags with the log's last word on a version; beside `ddpo.promoted` stand its `.entry`, `.by` and `.reason`."""


@dataclass(frozen=True)
class AliasSummary:
    """What MLflow shows after a call of `project_aliases`."""

    tracking_uri: str
    model: str
    entries: int
    """Length of the log that was projected."""
    champion: str | None
    """Id of the policy in use; None: none was ever promoted."""
    champion_version: str | None
    previous: str | None
    """Id of the policy that a rollback returns to."""
    previous_version: str | None
    missing: tuple[str, ...]
    """Policies further back in the log that have no version any more: nothing to tag."""


def project_aliases(store_uri: str, model: str, tracking_uri: str | None = None) -> AliasSummary:
    """Set `champion` and `previous` of a model, and tag its versions, as the log in the store says.

    Raises Unavailable within seconds if MLflow is away. Raises MissingInput, naming the registration to repeat, if the
    champion or the one before has no version: what can be set is set before.
    """
    summary = _project(promotion.read_log(store_uri, model), model, tracking_uri)
    while len(newer := promotion.read_log(store_uri, model)) > summary.entries:  # it grew: the aliases lag already
        summary = _project(newer, model, tracking_uri)
    return summary


def _project(log_: Sequence[Promotion], model: str, tracking_uri: str | None) -> AliasSummary:
    """Show one reading of the log."""
    stack = promotion.standing(log_)
    with connect(tracking_uri) as client:
        found = {id_: versions_of(client, model, id_)[:1] for id_ in dict.fromkeys(e.policy_id for e in log_)}
        versions = {id_: versions[0] for id_, versions in found.items() if versions}
        for policy_id, version in versions.items():
            _tag(client, model, version, _tags(log_, policy_id))
        aliases = {CHAMPION: stack[-1:], PREVIOUS: stack[-2:-1]}
        for name, entry in aliases.items():
            _point(client, model, name, versions.get(entry[0].policy_id) if entry else None)
        _take_challenger_from_champion(client, model)
        uri = shown(str(client.tracking_uri))
    for name, entry in aliases.items():
        if entry and entry[0].policy_id not in versions:
            raise _without_version(model, name, entry[0])
    champion, previous = (entry[0].policy_id if entry else None for entry in aliases.values())
    return AliasSummary(
        tracking_uri=uri,
        model=model,
        entries=len(log_),
        champion=champion,
        champion_version=str(versions[champion].version) if champion else None,
        previous=previous,
        previous_version=str(versions[previous].version) if previous else None,
        missing=tuple(policy_id for policy_id in found if policy_id not in versions),
    )


def versions_of(client: MlflowClient, model: str, policy_id: str) -> list[ModelVersion]:
    """A policy's versions, lowest number first; more than one only while two registrations overlap."""
    found = client.search_model_versions(f"name = '{model}' and tags.`{POLICY_ID}` = '{policy_id}'")
    return sorted(found, key=lambda version: int(version.version))


def _tags(log_: Sequence[Promotion], policy_id: str) -> dict[str, str | None]:
    """What the log says of a policy; None: the tag is not to be there.

    A rollback entry names the policy that came back; the one it took down was on top before.
    """
    made = [entry for entry in log_ if entry.policy_id == policy_id and entry.action != "rollback"]
    last = made[-1] if made else next(entry for entry in log_ if entry.policy_id == policy_id)
    down = _taken_down_by(log_, last)
    return {
        PROMOTED: last.at.isoformat(timespec="seconds"),
        f"{PROMOTED}.entry": str(last.number),
        f"{PROMOTED}.by": last.by,
        f"{PROMOTED}.reason": last.reason,
        ROLLED_BACK: f"entry {down.number}, by {down.by}: {down.reason}" if down else None,
    }


def _taken_down_by(log_: Sequence[Promotion], entry: Promotion) -> Promotion | None:
    """The rollback that took an entry's champion from the top; None while it stands."""
    for end in range(entry.number + 1, len(log_)):
        if entry not in promotion.standing(log_[: end + 1]):
            return log_[end]
    return None


def _tag(client: MlflowClient, model: str, version: ModelVersion, tags: dict[str, str | None]) -> None:
    for key, value in tags.items():
        if value is None and key in version.tags:
            client.delete_model_version_tag(model, version.version, key)
        elif value is not None and version.tags.get(key) != value:
            client.set_model_version_tag(model, version.version, key, value)


def _point(client: MlflowClient, model: str, alias: str, version: ModelVersion | None) -> None:
    """Let an alias name a version, or none."""
    registered = _registered(client, model)
    now = str(registered.aliases[alias]) if registered and alias in registered.aliases else None
    if version is not None and now != str(version.version):
        client.set_registered_model_alias(model, alias, version.version)
        log.info("%s of %s is version %s", alias, model, version.version)
    elif version is None and now is not None:
        client.delete_registered_model_alias(model, alias)
        log.info("%s has no %s", model, alias)


def _take_challenger_from_champion(client: MlflowClient, model: str) -> None:
    registered = _registered(client, model)
    aliases = registered.aliases if registered else {}
    if CHALLENGER in aliases and str(aliases[CHALLENGER]) == str(aliases.get(CHAMPION)):
        client.delete_registered_model_alias(model, CHALLENGER)


def _registered(client: MlflowClient, model: str) -> RegisteredModel | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _without_version(model: str, alias: str, entry: Promotion) -> MissingInput:
    return MissingInput(
        f"the {alias} of {model}, policy {entry.policy_id:.12} (entry {entry.number}), has no version in MLflow",
        hint=f"make it again: python -m components.registration.again --registration {entry.registration}",
    )
