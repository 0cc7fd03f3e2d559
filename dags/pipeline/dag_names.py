"""Names of the DAGs, and of their runs: whoever makes a DAG run twice makes it once.

A run's id tells runs of one store apart, and one Airflow mostly serves one store: its own. The DAG runs of a run in
another store carry a hash of that store, or two runs of one name would be one DAG run.
"""

from __future__ import annotations

import hashlib
import os

from components.core import deployment
from components.core.layout import RunLayout

ITERATION_DAG = "ddpo_iteration"
RETRAIN_DAG = "ddpo_retrain"
PROMOTE_DAG = "ddpo_promote"
CLEANUP_DAG = "ddpo_cleanup"
RESCORE_DAG = "ddpo_rescore"
COMPARE_DAG = "ddpo_compare"
DAG_IDS = (ITERATION_DAG, RETRAIN_DAG, PROMOTE_DAG, CLEANUP_DAG, RESCORE_DAG, COMPARE_DAG)

OWN_STORE_VARIABLE = "DDPO_AIRFLOW_STORE"
"""URI of the store that this Airflow serves; where it is not set, DDPO_STORE is."""


def store_tag(store_uri: str) -> str:
    """A store in eight characters.

    >>> store_tag("s3://bucket/ddpo/") == store_tag("s3://bucket/ddpo"), len(store_tag("s3://bucket/ddpo"))
    (True, 8)
    """
    return hashlib.sha256(store_uri.rstrip("/").encode()).hexdigest()[:8]


def campaign_name(run: RunLayout) -> str:
    """What a run's DAG runs begin with: its id, and in another store than this Airflow's own, that store's hash."""
    own = os.environ.get(OWN_STORE_VARIABLE) or deployment.from_environment().store
    return run.run_id if run.store == own.rstrip("/") else f"{run.run_id}-{store_tag(run.store)}"


def iteration_run_id(run: RunLayout, k: int) -> str:
    """Name of the DAG run of an iteration: a second one of that name is refused."""
    return f"{campaign_name(run)}-it-{k:04d}"


def promotion_run_id(run: RunLayout, policy: int) -> str:
    """Name of the DAG run that would promote a policy."""
    return f"{campaign_name(run)}-promote-{policy:04d}"


def rescoring_run_id(run: RunLayout, scorer: str, what: str) -> str:
    """Name of the DAG run that scores a run's stored pictures again."""
    return f"{campaign_name(run)}-rescore-{what}-{scorer}"
