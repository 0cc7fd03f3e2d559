"""What a policy stands on: read from the store, checked, and said in tags."""

from __future__ import annotations

import json
from dataclasses import dataclass

from components.core import base_model, campaign, store
from components.core.campaign import Campaign
from components.core.contracts import (
    EvaluationResult,
    RegistrationRequest,
    ScoringResult,
    TrainingRequest,
    TrainingResult,
)
from components.core.errors import BadData, BadRequest
from components.core.layout import RunLayout
from components.core.records import HELD_OUT
from components.core.tracking.labels import config_digest


@dataclass(frozen=True)
class Lineage:
    """One policy, and everything that it is due to."""

    request: RegistrationRequest
    state: Campaign
    trained: store.Committed
    training_request: TrainingRequest
    training: TrainingResult
    evaluated: store.Committed | None
    evaluation: EvaluationResult | None
    scorer_id: str
    """Identity of the reward that the policy was trained on."""
    base_place: str
    """What diffusers' `from_pretrained` takes, here."""

    @property
    def reward_queries(self) -> int:
        """Pictures scored in this run to train the policy."""
        return self.request.policy * self.state.config.samples_per_iteration


def read_lineage(request: RegistrationRequest) -> Lineage:
    """Read and check it. Raises BadRequest or BadData where the request, the commits and the base do not agree."""
    state = campaign.load(RunLayout.of("", request.run))
    trained = store.open_committed(request.training)
    training = TrainingResult.model_validate(trained.manifest.result)
    training_request = TrainingRequest.model_validate(trained.manifest.request)
    if request.policy < 1 or request.training.rstrip("/") != state.run.training(request.policy - 1):
        raise BadRequest(f"{request.training} did not make policy {request.policy} of {state.run.uri}")
    evaluated = store.open_committed(request.evaluation) if request.evaluation else None
    evaluation = EvaluationResult.model_validate(evaluated.manifest.result) if evaluated else None
    if evaluation and evaluation.policy_id != training.policy_id:
        raise BadData(f"{request.evaluation} evaluates policy {evaluation.policy_id:.12}, not {training.policy_id:.12}")
    if base_model.identify(request.base) != state.base_id:
        raise BadData(
            f"the base model {request.base.model} is not the one that {request.run} was opened with",
            hint="its files changed, or this machine has another copy; a version names the base it belongs to",
        )
    return Lineage(
        request=request,
        state=state,
        trained=trained,
        training_request=training_request,
        training=training,
        evaluated=evaluated,
        evaluation=evaluation,
        scorer_id=_scorer_id(training_request),
        base_place=base_model.locate(request.base),
    )


def stands_on(lineage: Lineage) -> dict[str, str]:
    """Everything that the policy is due to. A function of commits alone."""
    request, state, training = lineage.request, lineage.state, lineage.training
    known = {
        "policy_id": training.policy_id,
        "parent_policy_id": training.parent_id,
        "start_policy_id": state.trained[0].parent_id,
        "run_uri": state.run.uri,
        "policy": str(request.policy),
        "iteration": str(training.iteration),
        "reward_queries": str(lineage.reward_queries),
        "base": request.base.model,
        "base_revision": request.base.revision or "",
        "base_id": state.base_id,
        "reward": lineage.training_request.reward,
        "scorer_id": lineage.scorer_id,
        "sampler": json.dumps(state.config.sampler.model_dump(mode="json"), sort_keys=True),
        "config_digest": config_digest(state.config),
        "training": request.training,
        "training_content_digest": lineage.trained.manifest.content_digest,
        "evaluation": request.evaluation or "none",
        "evaluation_content_digest": lineage.evaluated.manifest.content_digest if lineage.evaluated else "",
        "software": ", ".join(
            f"{name} {version}" for name, version in sorted(lineage.trained.manifest.software.items())
        ),
    }
    return {key: value for key, value in known.items() if value}


def version_tags(lineage: Lineage) -> dict[str, str]:
    """A handful to search by, and one that holds the whole lineage: MLflow lists all tags of all versions."""
    known = stands_on(lineage)
    tags = {f"ddpo.{name}": known[name] for name in ("policy_id", "reward", "policy", "base", "run_uri")}
    for c in lineage.evaluation.comparisons if lineage.evaluation else ():
        if c.reference == "base" and c.split == HELD_OUT:
            key = "ddpo.gain" if c.scorer == known["reward"] else f"ddpo.gain.{c.scorer}"
            tags[key] = f"{c.gain.mean:+.2f} [{c.gain.low:+.2f}, {c.gain.high:+.2f}]"
    return tags | {"ddpo.lineage": json.dumps(known)}


def _scorer_id(request: TrainingRequest) -> str:
    """The one identity of the reward over the iteration's shards; empty where retention took the shards away."""
    found = (store.find(shard.scoring) for shard in request.shards)
    ids = {ScoringResult.model_validate(c.manifest.result).scorer_ids.get(request.reward, "") for c in found if c}
    return " ".join(sorted(ids))
