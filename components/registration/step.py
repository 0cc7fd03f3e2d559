"""Register a policy as a version of an MLflow model, with its lineage, for stock diffusers to load.

Reads    the training that committed the policy, its evaluation report, the run's config
Writes   model_card.md; in MLflow: the version, its files, its tags, and the alias `challenger`
Needs    MLflow, and where the base is a directory, that directory; no torch, no GPU, no hub

MLflow is asked before anything is committed, and at least once: a retry finds the version by its policy's id.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.core import store, tracking
from components.core.contracts import RegistrationRequest, RegistrationResult
from components.core.layout import policy_name
from components.registration.lineage import read_lineage, version_tags
from components.registration.model_card import model_card, version_description
from components.registration.model_directory import write_model
from components.registration.registry import register

CARD_FILE = "model_card.md"


def run(request: RegistrationRequest, out: store.Attempt) -> RegistrationResult:
    """Make the version, or find it, and say what stands on it."""
    lineage = read_lineage(request)
    card = model_card(lineage)
    source = tracking.project(lineage.state.run)  # the version hangs on the campaign's run in MLflow
    with tempfile.TemporaryDirectory() as directory, tracking.connect() as client:
        model = write_model(Path(directory) / policy_name(request.policy), lineage, card)
        version = register(
            client,
            name=request.model,
            run_id=source.run_id,
            model=model,
            tags=version_tags(lineage),
            description=version_description(lineage),
        )
    out.write(CARD_FILE, card.encode())
    tags = {key: value for key, value in version.tags.items() if key.startswith("ddpo.")}
    return RegistrationResult(model=request.model, policy_id=lineage.training.policy_id, tags=tags)
