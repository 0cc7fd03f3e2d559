"""Promotion and rollback as a user of `models:/<name>@champion` sees them: which pictures come out."""

from __future__ import annotations

import mlflow
from fastapi.testclient import TestClient
from mlflow.pyfunc.scoring_server import init

from components.core import promotion, tracking
from components.core.contracts import RegistrationResult
from components.core.promotion import Candidate
from tests.core.campaigns import SyntheticCampaign
from tests.registration.registering import register

MODEL = "ddpo-tiny"
PROMPTS = {"prompt": ["a cat", "a dog"]}


def promote(synthetic: SyntheticCampaign, policy: int) -> None:
    """Register a policy and make it champion, as ddpo_promote does."""
    result = RegistrationResult.model_validate(register(synthetic, policy, evaluated=policy == 2).result)
    run = synthetic.run
    candidate = Candidate(
        policy_id=result.policy_id, base_id="sha256:base", run=run.uri, policy=policy,
        training=run.training(policy - 1) if policy else None, registration=run.registration(policy),
    )  # fmt: skip
    expected = len(promotion.read_log(run.store, MODEL))
    promotion.promote(run.store, MODEL, candidate, expected=expected, by="ann", reason="")
    tracking.project_aliases(run.store, MODEL)


def champions_pictures() -> list[bytes]:
    return mlflow.pyfunc.load_model(f"models:/{MODEL}@champion").predict(PROMPTS, params={"seed": 3, "eta": 1.0})


def test_a_rollback_brings_the_pictures_back_bit_for_bit(synthetic, client):
    promote(synthetic, 0)
    base = champions_pictures()
    promote(synthetic, 2)
    adapted = champions_pictures()
    assert base != adapted
    promotion.rollback(synthetic.run.store, MODEL, by="bob", reason="")
    tracking.project_aliases(synthetic.run.store, MODEL)
    assert champions_pictures() == base
    promotion.promote(
        synthetic.run.store, MODEL,
        Candidate(**promotion.read_log(synthetic.run.store, MODEL)[1].model_dump(include=set(Candidate.model_fields))),
        expected=3, by="ann", reason="after all",
    )  # fmt: skip
    tracking.project_aliases(synthetic.run.store, MODEL)
    assert champions_pictures() == adapted


def test_mlflow_serves_it_over_http(synthetic, client):
    """What `mlflow models serve` answers: the PNG in base64."""
    import base64

    register(synthetic)
    served = mlflow.pyfunc.load_model(f"models:/{MODEL}@challenger")
    answer = TestClient(init(served)).post("/invocations", json={"inputs": PROMPTS, "params": {"seed": 3}})
    assert answer.status_code == 200, answer.text
    pictures = [base64.b64decode(item) for item in answer.json()["predictions"]]
    assert pictures == served.predict(PROMPTS, params={"seed": 3})
