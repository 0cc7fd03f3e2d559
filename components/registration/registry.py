"""One version a policy, however often it is registered."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.tracking.aliases import CHALLENGER, CHAMPION, POLICY_ID, versions_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

ARTIFACTS = "policies"
"""Where a campaign's registered policies lie among its MLflow run's files."""

MODEL_DESCRIPTION = (
    "Policies fine-tuned by DDPO, one version each, and their base. `challenger` is the policy registered last, until "
    "it is promoted; `champion` the one in use, `previous` the champion before it. Tags name a version's run, base, "
    "verdict and promotion; `ddpo.gain` is its gain on held-out prompts, in standard deviations of the base's pictures."
)


def register(
    client: MlflowClient,
    *,
    name: str,
    run_id: str,
    model: Path,
    tags: dict[str, str],
    description: str,
    challenges: bool,
) -> ModelVersion:
    """Find the policy's version, or make it below the MLflow run `run_id`; `challenges`: `challenger` points to it.

    A version is made together with its tags in one call, so there is none that the next attempt could not find. Of two
    attempts at once each may make one: both look again, the lowest number stays, and whoever made another removes it.
    """
    _require_model(client, name)
    versions = versions_of(client, name, tags[POLICY_ID])
    if not versions:
        client.log_artifacts(run_id, str(model), f"{ARTIFACTS}/{model.name}")
        place = f"{client.get_run(run_id).info.artifact_uri}/{ARTIFACTS}/{model.name}"
        made = client.create_model_version(name, place, run_id, tags=tags, description=description)
        versions = versions_of(client, name, tags[POLICY_ID])
        if versions[0].version != made.version:
            client.delete_model_version(name, made.version)
    version = versions[0]
    champion = client.get_registered_model(name).aliases.get(CHAMPION)
    if challenges and str(champion) != str(version.version):
        client.set_registered_model_alias(name, CHALLENGER, version.version)
    log.info("policy %.12s is version %s of %s", tags[POLICY_ID], version.version, name)
    return version


def _require_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, description=MODEL_DESCRIPTION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
