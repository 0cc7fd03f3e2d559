"""Register a policy, or the base, as a version of an MLflow model with its lineage, that loads and is checked anywhere.

Reads    the training that committed the policy (none for the base), its evaluation report, the run's config
Writes   model_card.md, panel.png; in MLflow: the version, its files, its tags, and the alias `challenger`
Needs    MLflow, and where the base is a directory, that directory; no torch, no GPU, no hub

MLflow is asked before anything is committed, and at least once: a retry finds the version by its policy's id.
It decides nothing: a policy that the guard warns of, or fails, is registered with that verdict on it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.core import store, tracking
from components.core.contracts import RegistrationRequest, RegistrationResult
from components.core.layout import BASE, policy_name
from components.core.tracking.aliases import PROMOTED, ROLLED_BACK
from components.registration.lineage import Lineage, read_lineage, version_tags
from components.registration.model_card import model_card, version_description
from components.registration.model_directory import CARD_FILE, PANEL_FILE, write_model
from components.registration.registry import register
from components.registration.served_policy import FILES_DIGEST


def run(request: RegistrationRequest, out: store.Attempt) -> RegistrationResult:
    """Make the version, or find it, and say what stands on it."""
    lineage = read_lineage(request)
    card, panel = model_card(lineage), panel_of(lineage)
    tags = make_version(lineage, card, panel)
    out.write(CARD_FILE, card.encode())
    if panel is not None:
        out.write(PANEL_FILE, panel)
    return RegistrationResult(model=request.model, policy_id=lineage.policy_id, tags=tags)


def make_version(lineage: Lineage, card: str, panel: bytes | None) -> dict[str, str]:
    """The version in MLflow, made or found; its tags, less those that promotion puts on it later."""
    request = lineage.request
    source = tracking.project(lineage.state.run)  # the version hangs on the campaign's run in MLflow
    with tempfile.TemporaryDirectory() as directory, tracking.connect() as client:
        model = Path(directory) / (policy_name(request.policy) if lineage.training else BASE)
        digest = write_model(model, lineage, card, panel)
        version = register(
            client,
            name=request.model,
            run_id=source.run_id,
            model=model,
            tags={**version_tags(lineage), FILES_DIGEST: digest},
            description=version_description(lineage),
            challenges=lineage.training is not None,
        )
    return {
        key: value
        for key, value in version.tags.items()
        if key.startswith("ddpo.") and not key.startswith((PROMOTED, ROLLED_BACK))
    }


def panel_of(lineage: Lineage) -> bytes | None:
    """The evaluation's fixed pictures, base above policy; None where it was not evaluated."""
    evaluated = lineage.evaluated
    if evaluated is None or all(file.path != PANEL_FILE for file in evaluated.manifest.files):
        return None
    return evaluated.read(PANEL_FILE)
