"""Six steps that commit plausible results at once, so that the DAGs can be tested without weights.

install()                      put them in place of the real ones, in this process
python -m tests.dags.fake_steps run smoke ...       the `ddpo` command line with them

FAKE_FAIL, FAKE_FAIL_ONCE      name of a step that fails: always (exit 65), or once (exit 75)
FAKE_BREAK                     name of a step with a bug
FAKE_SLOW                      name of a step that takes a minute
FAKE_CALLS                     file that gets a line for every call of a step
FAKE_REGISTRY                  registration makes a version in MLflow
FAKE_SIGNAL                    level of a signal of every evaluation: warn or fail
"""

from __future__ import annotations

import os
import sys
import time
import types
from pathlib import Path
from typing import Any

from components.core import contracts as c
from components.core import store, tracking
from components.core.errors import BadData, Unavailable
from components.core.spending import run_of_training
from components.core.tracking.aliases import POLICY_ID, versions_of


def base_model(directory: Path) -> Path:
    """A directory that looks like a diffusers pipeline from far away."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model_index.json").write_text("{}")
    return directory


def policy_id(training: str | None) -> str:
    """Id of the policy that a training commits: its run and its number. The base has none of both."""
    if training is None:
        return "base"
    run, k = run_of_training(training)
    return f"{run.run_id}-policy-{k + 1}"


def prompts(request: c.PromptsRequest, out: store.Attempt) -> c.PromptsResult:
    return c.PromptsResult(rows=8, prompts=4)


def sampling(request: c.SamplingRequest, out: store.Attempt) -> c.SamplingResult:
    return c.SamplingResult(policy_id=policy_id(request.policy.adapter), samples=4, kl_to_base=0.1)


def scoring(request: c.ScoringRequest, out: store.Attempt) -> c.ScoringResult:
    return c.ScoringResult(scorer_ids={s.name: "fake" for s in request.scorers}, scored=4, missing=0)


def training(request: c.TrainingRequest, out: store.Attempt) -> c.TrainingResult:
    metrics = {"reward_mean": 1.0 + 0.1 * request.iteration, "reward_std": 0.05, "ratio_max_deviation": 0.0}
    return c.TrainingResult(
        policy_id=policy_id(request.out),
        parent_id=policy_id(request.policy.adapter),
        iteration=request.iteration,
        metrics=metrics,
        samples=8,
        dropped=0,
    )


def evaluation(request: c.EvaluationRequest, out: store.Attempt) -> c.EvaluationResult:
    gain = c.Interval(mean=0.1 * request.policy, low=0.05 * request.policy, high=0.2 * request.policy)
    shared: dict[str, Any] = {"split": "held_out", "reference": "base", "prompts": 4, "pairs": 4, "missing": 0}
    shared |= {"reference_mean": 1.0, "reference_std": 0.1}
    references = ["base", *(["champion"] if request.champion else [])]
    comparisons = tuple(
        c.ScorerComparison(
            scorer=name, candidate_mean=1.0 + gain.mean, difference=gain, gain=gain, sampler=sampler,
            **{**shared, "reference": reference},
        )
        for name in (request.reward, *request.judges)
        for reference in references
        for sampler in ("trained", "deployed")
    )  # fmt: skip
    level: Any = os.environ.get("FAKE_SIGNAL") if request.policy else None
    said = "the judge lost 20 % of its base score, beyond 15 %"
    signal = c.Signal(name="judge_loss:judge", value=0.2, unit="share", level=level or "pass", reason=said)
    return c.EvaluationResult(
        policy=request.policy,
        policy_id=drawn(request.candidate),
        base_id=drawn(request.base),
        start_id=drawn(request.start),
        champion_id=drawn(request.champion) if request.champion else None,
        comparisons=comparisons,
        kl_to_base=0.1,
        signals=(signal, signal.model_copy(update={"name": "diversity:within_prompt", "value": 1.0, "level": "pass"})),
    )


def drawn(evaluated: c.EvaluatedPolicy) -> str:
    """Id of the policy whose pictures these are."""
    return str(store.open_committed(evaluated.shards[0].sampling).manifest.result["policy_id"])


def registration(request: c.RegistrationRequest, out: store.Attempt) -> c.RegistrationResult:
    made = policy_id(request.training)
    if os.environ.get("FAKE_REGISTRY"):
        make_version(request.model, made)
    return c.RegistrationResult(model=request.model, policy_id=made, tags={})


def make_version(model: str, made: str) -> None:
    """A version in MLflow without files."""
    with tracking.connect() as client:
        if not client.search_registered_models(f"name = '{model}'"):
            client.create_registered_model(model)
        if not versions_of(client, model, made):
            client.create_model_version(model, source="file:///nowhere", tags={POLICY_ID: made})


STEPS = (prompts, sampling, scoring, training, evaluation, registration)


def install() -> None:
    """From now on `components.<step>.step.run` is the fake one."""
    for function in STEPS:
        module = types.ModuleType(f"components.{function.__name__}.step")
        module.__dict__["run"] = _observed(function)
        sys.modules[module.__name__] = module


def _observed(function: Any) -> Any:
    name = function.__name__

    def run(request: c.Request, out: store.Attempt) -> c.Result:
        if calls := os.environ.get("FAKE_CALLS"):
            with Path(calls).open("a") as file:
                file.write(f"{name} {request.out}\n")
        print(f"a line that {name} printed")
        if os.environ.get("FAKE_SLOW") == name:
            time.sleep(60)
        if os.environ.get("FAKE_FAIL") == name:
            raise BadData("the shard is corrupt", hint="look at it")
        if os.environ.get("FAKE_BREAK") == name:
            raise ZeroDivisionError("a bug")
        if os.environ.get("FAKE_FAIL_ONCE") == name:
            del os.environ["FAKE_FAIL_ONCE"]
            raise Unavailable("the service is busy")
        result: c.Result = function(request, out)
        return result

    return run


if __name__ == "__main__":
    from dags.pipeline.cli import app

    install()
    app()
