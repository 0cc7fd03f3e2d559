"""What a policy stands on: read from the store, checked, and said in tags."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from components.core import base_model, campaign, guard, spending, store
from components.core.campaign import Campaign
from components.core.config import BaseModelConfig
from components.core.contracts import (
    EvaluationResult,
    RegistrationRequest,
    ScoringResult,
    StartRequest,
    TrainingRequest,
    TrainingResult,
)
from components.core.errors import BadData, BadRequest
from components.core.layout import RunLayout, policy_name
from components.core.policy_files import UNET_FILE, policy_file
from components.core.records import HELD_OUT
from components.core.tracking.labels import config_digest

BASE_POLICY = 0
"""Number under which a registration names the bare base."""


@dataclass(frozen=True)
class Training:
    """The commit that made a policy."""

    committed: store.Committed
    request: TrainingRequest
    result: TrainingResult
    scorer_id: str
    """Identity of the reward that the policy was trained on."""

    @property
    def file(self) -> str:
        """The file that holds the policy: an adapter, or a whole UNet."""
        return policy_file(self.committed)

    @property
    def whole(self) -> bool:
        """Whether every weight of the UNet was trained, so that there is no adapter."""
        return self.file == UNET_FILE


@dataclass(frozen=True)
class WarmStart:
    """One policy that a later run went on from."""

    run: str
    policy: int
    policy_id: str
    reward_queries: int
    """Pictures scored in that run to train it."""


@dataclass(frozen=True)
class Lineage:
    """One policy, and everything that it is due to."""

    request: RegistrationRequest
    state: Campaign
    policy_id: str
    base_policy_id: str
    """Id of the bare base, as a policy: what a rollback can end at."""
    training: Training | None
    """None: the policy is the base itself."""
    warm_starts: tuple[WarmStart, ...]
    """From the run's own start back to the base; empty where it starts from the base."""
    evaluated: store.Committed | None
    evaluation: EvaluationResult | None
    base_place: str
    """A directory that is here, or a hub id."""

    @property
    def reward_queries(self) -> int:
        """Pictures scored in this run to train the policy."""
        return self.request.policy * self.state.config.samples_per_iteration

    @property
    def lifetime_queries(self) -> int:
        """Pictures scored to train it, over all warm starts."""
        return 0 if self.training is None else self.state.start.start_queries + self.reward_queries

    @property
    def software(self) -> dict[str, str]:
        """Versions that made the policy; of the base, those that drew the first shard of its evaluation."""
        if self.training is not None:
            return self.training.committed.manifest.software
        drawn = store.find(self.state.run.evaluation_sampling(policy_name(BASE_POLICY), 0))
        return drawn.manifest.software if drawn else {}


def read_lineage(request: RegistrationRequest) -> Lineage:
    """Read and check it. Raises BadRequest or BadData where the request, the commits and the base do not agree."""
    state = campaign.load(RunLayout.of("", request.run))
    base_policy_id = bare_policy_id(request.base)
    if base_model.identify(request.base) != state.base_id:
        raise BadData(
            f"the base model {request.base.model} is not the one that {request.run} was opened with",
            hint="its files changed, or this machine has another copy; a version names the base it belongs to",
        )
    training = _training(request, state)
    policy_id = training.result.policy_id if training else base_policy_id
    evaluated, evaluation = _evaluation(request, policy_id)
    return Lineage(
        request=request,
        state=state,
        policy_id=policy_id,
        base_policy_id=base_policy_id,
        training=training,
        warm_starts=warm_starts(state.config.start_adapter) if training else (),
        evaluated=evaluated,
        evaluation=evaluation,
        base_place=_base_place(request.base),
    )


def _base_place(base: BaseModelConfig) -> str:
    """A base that no hub has goes with the version: its directory, brought here if need be."""
    return base_model.named(base) if base_model.published(base) else str(base_model.locate(base))


def bare_policy_id(base: BaseModelConfig) -> str:
    """Id of the base as a policy without an adapter, as components/policy/load.py makes it; no torch is needed."""
    return hashlib.sha256(base_model.identify(base).encode() + b"\0").hexdigest()


def warm_starts(adapter: str | None) -> tuple[WarmStart, ...]:
    """The chain of policies that a run goes on from, newest first. It ends at the base, or where retention took it."""
    chain: list[WarmStart] = []
    while adapter is not None:
        run, k = spending.run_of_training(adapter)
        trained, opened = store.find(adapter), store.find(run.uri)
        if trained is None or opened is None:
            break
        start = StartRequest.model_validate(opened.manifest.request)
        result = TrainingResult.model_validate(trained.manifest.result)
        queries = (k + 1) * start.config.samples_per_iteration
        chain.append(WarmStart(run.uri, k + 1, result.policy_id, queries))
        adapter = start.config.start_adapter
    return tuple(chain)


def stands_on(lineage: Lineage) -> dict[str, str]:
    """Everything that the policy is due to. A function of commits alone; what is not known is left out."""
    request, state = lineage.request, lineage.state
    known = {
        "policy_id": lineage.policy_id,
        "run_uri": state.run.uri,
        "policy": str(request.policy),
        "base": request.base.model,
        "base_revision": request.base.revision or "",
        "base_id": state.base_id,
        "base_policy_id": lineage.base_policy_id,
        "prompts": state.start.inputs.get("prompts", state.config.prompts.train),
        "evaluation_set": state.config.evaluation.set,
        "sampler": json.dumps(state.config.sampler.model_dump(mode="json"), sort_keys=True),
        "config_digest": config_digest(state.config),
        "software": ", ".join(f"{name} {version}" for name, version in sorted(lineage.software.items())),
        "code_commit": lineage.software.get("ddpo", ""),
        "image": lineage.software.get("image", ""),
        **_trained(lineage),
        **_evaluated(lineage),
    }
    return {key: value for key, value in known.items() if value}


def verdict(lineage: Lineage) -> str:
    """The guard's level on this evaluation alone, alarms that nothing confirmed included: what promotion goes by."""
    if lineage.evaluation is None:
        return "not evaluated"
    return guard.raw_level(lineage.evaluation) or "not judged"


def version_tags(lineage: Lineage) -> dict[str, str]:
    """A handful to search by, and one that holds the whole lineage: MLflow lists all tags of all versions."""
    known = stands_on(lineage)
    tags = {f"ddpo.{name}": known[name] for name in ("policy_id", "policy", "base", "run_uri")}
    tags |= {"ddpo.reward": known.get("reward", "none"), "ddpo.verdict": verdict(lineage)}
    for c in lineage.evaluation.comparisons if lineage.evaluation else ():
        if c.split == HELD_OUT and c.sampler == "trained" and c.reference != "start":
            against = "" if c.reference == "base" else f".vs_{c.reference}"
            key = f"ddpo.gain{against}" + ("" if c.scorer == known.get("reward") else f".{c.scorer}")
            tags[key] = f"{c.gain.mean:+.2f} [{c.gain.low:+.2f}, {c.gain.high:+.2f}]"
    return tags | {"ddpo.lineage": json.dumps(known)}


def _trained(lineage: Lineage) -> dict[str, str]:
    if lineage.training is None:
        return {}
    training, state = lineage.training, lineage.state
    chain = [f"policy {w.policy} of {w.run} ({w.policy_id:.12}, {w.reward_queries})" for w in lineage.warm_starts]
    return {
        "parent_policy_id": training.result.parent_id,
        "start_policy_id": state.trained[0].parent_id,
        "warm_starts": " <- ".join([*chain, "base"]) if chain else "",
        "iteration": str(training.result.iteration),
        "reward_queries": str(lineage.reward_queries),
        "lifetime_queries": str(lineage.lifetime_queries),
        "reward": training.request.reward,
        "reward_settings": state.start.inputs.get("reward", ""),
        "scorer_id": training.scorer_id,
        "training": training.request.out,
        "training_content_digest": training.committed.manifest.content_digest,
    }


def _evaluated(lineage: Lineage) -> dict[str, str]:
    if lineage.evaluated is None or lineage.evaluation is None:
        return {"evaluation": "none"}
    return {
        "evaluation": lineage.evaluated.prefix,
        "evaluation_content_digest": lineage.evaluated.manifest.content_digest,
        "champion_policy_id": lineage.evaluation.champion_id or "",
        "verdict": verdict(lineage),
        "calibration": lineage.evaluation.calibration,
    }


def _training(request: RegistrationRequest, state: Campaign) -> Training | None:
    if request.policy == BASE_POLICY and request.training is None:
        return None
    if request.training is None or request.policy < 1:
        raise BadRequest(
            f"policy {request.policy} of {state.run.uri} with training {request.training}: only policy 0 has none"
        )
    if request.training.rstrip("/") != state.run.training(request.policy - 1):
        raise BadRequest(f"{request.training} did not make policy {request.policy} of {state.run.uri}")
    committed = store.open_committed(request.training)
    training = TrainingRequest.model_validate(committed.manifest.request)
    result = TrainingResult.model_validate(committed.manifest.result)
    return Training(committed, training, result, _scorer_id(training))


def _evaluation(
    request: RegistrationRequest, policy_id: str
) -> tuple[store.Committed, EvaluationResult] | tuple[None, None]:
    """The report on this very policy. Policy 0 of a warm start is not the base: its report is none of the base's."""
    if request.evaluation is None:
        return None, None
    committed = store.open_committed(request.evaluation)
    report = EvaluationResult.model_validate(committed.manifest.result)
    if report.policy_id == policy_id:
        return committed, report
    if request.policy == BASE_POLICY and report.policy == BASE_POLICY and report.base_id == policy_id:
        return None, None
    raise BadData(f"{request.evaluation} evaluates policy {report.policy_id:.12}, not {policy_id:.12}")


def _scorer_id(request: TrainingRequest) -> str:
    """The one identity of the reward over the iteration's shards; empty where retention took the shards away."""
    found = (store.find(shard.scoring) for shard in request.shards)
    ids = {ScoringResult.model_validate(c.manifest.result).scorer_ids.get(request.reward, "") for c in found if c}
    return " ".join(sorted(ids))
