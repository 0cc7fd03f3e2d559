"""What stands on a version is what the commits say: the base too, a chain of warm starts, a verdict without effect."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest

from components.core import plan, runner, store
from components.core.config import BaseModelConfig, RunConfig
from components.core.contracts import EvaluationRequest, PolicyRef, Signal, StepName, WorstSlice
from components.core.errors import BadData, BadRequest, MissingInput
from components.policy import load
from components.registration import again
from components.registration.lineage import warm_starts
from tests.core.campaigns import SyntheticCampaign, around, commit, evaluation_result, panel
from tests.core.mirrored import COMMIT, mirror
from tests.registration.registering import register, request_for


def judged(synthetic: SyntheticCampaign, policy: int, level: str) -> None:
    """Commit an evaluation of a policy with a champion, the sampler that ships, a signal and a worst prompt."""
    request = plan.evaluation_requests(synthetic.config, synthetic.run, policy)["evaluation"]
    assert isinstance(request, EvaluationRequest)
    plain = evaluation_result(synthetic.config, policy)
    (held_out,) = [c for c in plain.comparisons if c.split == "held_out" and c.scorer == synthetic.config.reward.name]
    others = [
        held_out.model_copy(update={"reference": r, "sampler": s, "gain": around(g, 0.2)})
        for r, s, g in (("champion", "trained", 1.5), ("base", "deployed", 2.5))
    ]
    loss = Signal(
        name="judge_loss:judge", value=0.4, unit="share", warn=0.15, fail=0.35, level=level,
        reason="the judge lost 40 % of its base score",
    )  # fmt: skip
    worst = WorstSlice(kind="prompt", name="a whale", scorer="judge", split="held_out", pairs=4, difference=-0.3)
    result = plain.model_copy(update={
        "comparisons": (*plain.comparisons, *others), "signals": (loss,), "worst": (worst,),
        "champion_id": "the-champion", "calibration": "tiny-v1@5f",
    })  # fmt: skip
    commit("evaluation", request, result, {"panel.png": panel(policy)})


@pytest.fixture
def failed(base, adapted, file_store) -> SyntheticCampaign:
    """One iteration, whose policy a signal fails."""
    config = RunConfig(iterations=1, base=BaseModelConfig(model=str(base)))
    synthetic = SyntheticCampaign.open(file_store, config)
    synthetic.evaluate(0)
    synthetic.iterate(0)
    judged(synthetic, 1, "fail")
    return synthetic


def test_a_policy_that_the_guard_fails_is_registered_with_its_verdict(failed, client):
    """Registration decides nothing; promotion's gates read the same report."""
    register(failed, 1)
    version = client.get_model_version_by_alias("ddpo-tiny", "challenger")
    assert version.tags["ddpo.verdict"] == "fail"
    lineage = json.loads(version.tags["ddpo.lineage"])
    assert (lineage["verdict"], lineage["calibration"]) == ("fail", "tiny-v1@5f")
    assert lineage["champion_policy_id"] == "the-champion"


def test_tags_tell_base_and_champion_apart_and_leave_the_other_sampler_to_the_card(failed, client):
    tags = register(failed, 1).result["tags"]
    assert tags["ddpo.gain"] == "+0.05 [-0.15, +0.25]"
    assert tags["ddpo.gain.vs_champion"] == "+1.50 [+1.30, +1.70]"
    assert "+2.50 [+2.30, +2.70]" not in json.dumps({k: v for k, v in tags.items() if k.startswith("ddpo.gain")})


def test_the_card_shows_champion_sampler_verdict_and_worst(failed, client):
    register(failed, 1)
    card = store.open_committed(request_for(failed, 1).out).read("model_card.md").decode()
    champion, deployed = card.partition("Against the champion of the time, policy `the-champion`:")[2].split(
        "Drawn by the sampler that ships (eta 0), against the base:"
    )
    assert "+1.500 [+1.300, +1.700]" in champion
    assert "+2.500 [+2.300, +2.700]" in deployed
    assert "Verdict on this evaluation: **fail**. Limits: `tiny-v1@5f`." in card
    assert "- fail: the judge lost 40 % of its base score" in card
    assert "| judge_loss:judge | 0.4 | share | 0.15 | 0.35 | fail |" in card
    assert "| prompt | a whale | judge | held_out | -0.300 | 4 |" in card


def test_the_base_is_a_version_that_challenges_nobody(failed, client, base):
    result = register(failed, 0, evaluated=False).result
    version = client.get_model_version("ddpo-tiny", "1")
    policy_id = load.load_policy(PolicyRef(base=failed.config.base)).id
    assert result["policy_id"] == version.tags["ddpo.policy_id"] == policy_id
    assert (version.tags["ddpo.policy"], version.tags["ddpo.reward"]) == ("0", "none")
    assert client.get_registered_model("ddpo-tiny").aliases == {}
    lineage = json.loads(version.tags["ddpo.lineage"])
    assert lineage["base_id"].startswith("sha256:")
    assert "training" not in lineage
    card = store.open_committed(failed.run.registration(0)).read("model_card.md").decode()
    assert f"# ddpo-tiny: the base\n\nThe bare base `{base}`" in card


def test_the_base_s_report_stands_on_it_only_if_it_is_the_base_s(base, file_store, client):
    """Policy 0 of a run that starts from the base is the base; that of a warm start is not."""
    policy_id = load.load_policy(PolicyRef(base=BaseModelConfig(model=str(base)))).id
    for run, start_id, evaluation in (("cold", policy_id, "policy-0000/report"), ("warm", "a champion", "none")):
        config = RunConfig(iterations=1, base=BaseModelConfig(model=str(base)), registration={"model": run})
        synthetic = SyntheticCampaign.open(file_store, config, run)
        request = plan.evaluation_requests(config, synthetic.run, 0)["evaluation"]
        report = evaluation_result(config, 0).model_copy(update={"policy_id": start_id, "base_id": policy_id})
        commit("evaluation", request, report, {"panel.png": panel(0)})
        tags = register(synthetic, 0).result["tags"]
        assert json.loads(tags["ddpo.lineage"])["evaluation"].endswith(evaluation)


def test_a_request_that_mixes_base_and_training_is_refused(failed, client):
    for policy, training in ((0, failed.run.training(0)), (1, None)):
        request = request_for(failed, 1).model_copy(update={"policy": policy, "training": training})
        with pytest.raises(BadRequest, match="only policy 0 has none"):
            runner.run_request(StepName.REGISTRATION, request)


def test_a_champion_that_is_registered_again_does_not_challenge_itself(failed, client):
    register(failed, 1)
    client.delete_registered_model_alias("ddpo-tiny", "challenger")
    client.set_registered_model_alias("ddpo-tiny", "champion", "1")
    again.register_again(request_for(failed, 1).out)
    assert {k: int(v) for k, v in client.get_registered_model("ddpo-tiny").aliases.items()} == {"champion": 1}


def test_the_chain_of_warm_starts_goes_back_to_the_base(base, file_store, client):
    """a (from the base) -> b (from a's policy 2) -> c (from b's policy 1): 64 pictures an iteration."""
    start, policies = None, {"a": 2, "b": 1, "c": 1}
    for name, iterations in policies.items():
        config = RunConfig(iterations=iterations, base=BaseModelConfig(model=str(base)), start_adapter=start)
        synthetic = SyntheticCampaign.open(file_store, config, name)
        for k in range(iterations):
            synthetic.iterate(k)
        start = synthetic.run.training(iterations - 1)
    chain = warm_starts(synthetic.config.start_adapter)
    assert [(w.run.rsplit("/", 1)[-1], w.policy, w.reward_queries) for w in chain] == [("b", 1, 64), ("a", 2, 128)]
    lineage = json.loads(register(synthetic, 1, evaluated=False).result["tags"]["ddpo.lineage"])
    assert lineage["warm_starts"].endswith("<- base")
    assert (lineage["reward_queries"], lineage["lifetime_queries"]) == ("64", "256")
    assert "64 pictures scored, 256 over all warm starts" in client.get_model_version("ddpo-tiny", "1").description


def test_a_base_that_no_hub_has_goes_with_the_version(base, file_store, client, tmp_path, monkeypatch):
    """Mirrored from a directory, it has a name that means nothing on another machine."""
    monkeypatch.setenv("DDPO_STORE", file_store)
    monkeypatch.setenv("DDPO_MODELS", str(tmp_path / "models"))
    mirror(file_store, base, model="me/animals", on_hub=False)
    config = RunConfig(iterations=1, base=BaseModelConfig(model="me/animals", revision=COMMIT))
    synthetic = SyntheticCampaign.open(file_store, config)
    synthetic.iterate(0)
    register(synthetic, 1, evaluated=False)
    root = Path(mlflow.artifacts.download_artifacts("models:/ddpo-tiny/1"))
    for path in base.rglob("*.safetensors"):
        assert (root / "base" / path.relative_to(base)).read_bytes() == path.read_bytes()
    lineage = json.loads(client.get_model_version("ddpo-tiny", "1").tags["ddpo.lineage"])
    assert lineage["base_id"] == f"me/animals@{COMMIT}"


def test_prompts_reward_code_and_image_are_named(base, file_store, client, monkeypatch):
    monkeypatch.setenv("DDPO_IMAGE", "ghcr.io/ddpo/diffusion@sha256:5f")
    monkeypatch.setenv("DDPO_COMMIT", "c0ffee")
    from components.core import software

    software.project_commit.cache_clear()
    synthetic = SyntheticCampaign.open(file_store, RunConfig(iterations=1, base=BaseModelConfig(model=str(base))))
    synthetic.iterate(0)
    software.project_commit.cache_clear()
    lineage = json.loads(register(synthetic, 1, evaluated=False).result["tags"]["ddpo.lineage"])
    assert lineage["image"] == "ghcr.io/ddpo/diffusion@sha256:5f"
    assert lineage["code_commit"] == "c0ffee"
    assert lineage["prompts"] == store.open_committed(synthetic.run.uri).manifest.request["inputs"]["prompts"]
    assert lineage["reward_settings"].startswith("jpeg_incompressibility@")


def test_a_version_that_was_deleted_is_made_again(failed, client):
    """The request is committed, so the step has nothing to do; this tool has."""
    register(failed, 1)
    before = client.get_model_version("ddpo-tiny", "1").tags
    client.delete_model_version("ddpo-tiny", "1")
    register(failed, 1)
    assert client.search_model_versions("name = 'ddpo-tiny'") == []
    assert again.register_again(request_for(failed, 1).out) == before
    assert [int(v.version) for v in client.search_model_versions("name = 'ddpo-tiny'")] == [2]
    again.register_again(request_for(failed, 1).out)
    assert len(client.search_model_versions("name = 'ddpo-tiny'")) == 1
    with pytest.raises(MissingInput):
        again.register_again(failed.run.registration(7))


def test_an_adapter_that_was_changed_in_the_store_is_not_registered(failed, client):
    training = Path(failed.run.training(0).removeprefix("file://"))
    (weights,) = training.rglob("pytorch_lora_weights.safetensors")
    weights.chmod(0o644)
    weights.write_bytes(b"x" + weights.read_bytes()[1:])
    with pytest.raises(BadData, match="corrupt"):
        register(failed, 1)
    assert client.search_model_versions("name = 'ddpo-tiny'") == []
