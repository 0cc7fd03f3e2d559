"""Who may write what, asked of the policies with the paths that the code itself makes."""

from __future__ import annotations

import pytest

from components.core.layout import RunLayout, audits, comparison, comparison_results, comparison_tuning, promotions
from tests.infra.iam import Call, allowed
from tests.infra.terraform_plan import Planned

STORE = "s3://example-ddpo-store"
RUN = RunLayout.of(STORE, "monday-2026")
COMPARISON = comparison(STORE, "tiny")
MARKER = "COMMITTED.json"
FILE = "attempts/0123456789abcdef/file.bin"

OUTPUTS: dict[str, list[str]] = {
    "prompts": [RUN.prompts(0), RUN.prompts(12), RUN.evaluation_prompts],
    "sampling": [
        RUN.sampling(3, 1),
        RUN.evaluation_sampling("policy-0004", 0),
        RUN.evaluation_sampling("base", 1),
        RUN.deployed_sampling("champion"),
    ],
    "scoring": [
        RUN.scoring(3, 1),
        RUN.evaluation_scoring("policy-0004", 0),
        RUN.deployed_scoring("policy-0000"),
        RUN.rescored_scoring("judge-12ab", "policy-0004", 2),
    ],
    "training": [RUN.training(0), RUN.training(99)],
    "evaluation": [RUN.report(0), RUN.report(4)],
    "registration": [
        RUN.registration(0),
        RUN.registration(4),
        f"{comparison_results(COMPARISON)}/0123456789abcdef",
    ],
    "airflow": [
        RUN.uri,
        RUN.plan(3),
        RUN.evaluation_plan("policy-0004"),
        RUN.registration_plan(4),
        RUN.rescored_plan("judge-12ab", "iteration-0003"),
        f"{RUN.rescored_tables('judge-12ab')}/0123456789abcdef",
        COMPARISON,
        comparison_tuning(COMPARISON),
    ],
}
"""Identity -> prefixes that it commits, from components/core/layout.py."""

LOGS = [f"{RUN.control}/0000.json", f"{promotions(STORE, 'ddpo-tiny')}/0000.json"]
"""Append-only, written by people and DAGs: Airflow's alone."""

OWNERS = [(owner, prefix) for owner, prefixes in OUTPUTS.items() for prefix in prefixes]


def can(planned: Planned, identity: str, action: str, uri: str, **context: str) -> bool:
    """Whether an identity may do this to an object of the store, its bucket's policy included."""
    call = Call(
        action=f"s3:{action}",
        resource=f"arn:aws:s3:::{uri.removeprefix('s3://')}",
        principal=f"arn:aws:iam::123456789012:role/ddpo-{identity}-ddpo",
        context={"aws:securetransport": "true", **context},
    )
    return allowed(call, planned.role_policy(identity), planned.bucket_policy("store"))


def creates(planned: Planned, identity: str, uri: str) -> bool:
    """Whether an identity may create an object as `store.create` does."""
    return can(planned, identity, "PutObject", uri, **{"s3:if-none-match": "*"})


@pytest.mark.parametrize(("owner", "prefix"), OWNERS)
def test_a_prefix_is_its_owners_alone(planned: Planned, owner: str, prefix: str) -> None:
    """Each of nine, over the prefixes of seven: files and marker can be written by the owner and nobody else."""
    for identity in [*OUTPUTS, "api-server", "mlflow"]:
        own = identity == owner
        assert can(planned, identity, "PutObject", f"{prefix}/{FILE}") is own, identity
        assert creates(planned, identity, f"{prefix}/{MARKER}") is own, identity


@pytest.mark.parametrize("log", LOGS)
def test_only_airflow_writes_controls_and_champions(planned: Planned, log: str) -> None:
    assert [identity for identity in [*OUTPUTS, "api-server", "mlflow"] if creates(planned, identity, log)] == [
        "airflow"
    ]


def test_no_role_audits_a_reward(planned: Planned) -> None:
    """Else a reward in the scoring step could pass itself. Airflow reads audits, for its gates."""
    audit = f"{audits(STORE, 'alignment@12ab')}/0123456789abcdef"
    for identity in (*OUTPUTS, "api-server", "mlflow"):
        assert not creates(planned, identity, f"{audit}/{MARKER}"), identity
        assert not can(planned, identity, "PutObject", f"{audit}/{FILE}"), identity
        assert not can(planned, identity, "DeleteObject", f"{audit}/{MARKER}"), identity
    assert can(planned, "airflow", "GetObject", f"{audit}/{MARKER}")


@pytest.mark.parametrize(
    ("owner", "key"), [(o, f"{p}/{MARKER}") for o, p in OWNERS] + [("airflow", log) for log in LOGS]
)
def test_a_commit_needs_the_header(planned: Planned, owner: str, key: str) -> None:
    """Without If-None-Match a commit is refused, even to its owner: it could replace another's."""
    assert creates(planned, owner, key)
    assert not can(planned, owner, "PutObject", key)


@pytest.mark.parametrize(
    ("owner", "key"), [(o, f"{p}/{MARKER}") for o, p in OWNERS] + [("airflow", log) for log in LOGS]
)
def test_nobody_removes_a_commit(planned: Planned, owner: str, key: str) -> None:
    for identity in (*OUTPUTS, "api-server", "mlflow"):
        assert not can(planned, identity, "DeleteObject", key)
        assert not can(planned, identity, "DeleteObjectVersion", key)


def test_cleanup_removes_trajectories_and_can_be_undone(planned: Planned) -> None:
    """Only Airflow deletes, only below attempts/, and no version: what it deletes can be had back for 30 days."""
    trajectories = f"{RUN.sampling(3, 1)}/attempts/0123456789abcdef/trajectories.safetensors"
    assert [identity for identity in OUTPUTS if can(planned, identity, "DeleteObject", trajectories)] == ["airflow"]
    assert can(planned, "airflow", "PutObject", f"{RUN.sampling(3, 1)}/EXPIRED.json")  # it is written down before
    assert not can(planned, "airflow", "DeleteObjectVersion", trajectories)
    assert not can(planned, "airflow", "DeleteObject", f"{STORE}/models/sd15/model_index.json")


def test_a_step_reads_what_it_needs_and_no_more(planned: Planned) -> None:
    reads = {
        "sampling": [RUN.plan(3), RUN.prompts(3), RUN.training(2), RUN.evaluation_prompts],
        "scoring": [RUN.plan(3), RUN.sampling(3, 0), RUN.deployed_sampling("base")],
        "training": [RUN.plan(3), RUN.sampling(3, 0), RUN.scoring(1, 0), RUN.training(2)],
        "evaluation": [
            RUN.evaluation_plan("policy-0004"),
            RUN.evaluation_sampling("base", 0),
            RUN.deployed_scoring("base"),
        ],
    }
    for identity, prefixes in reads.items():
        for prefix in prefixes:
            assert can(planned, identity, "GetObject", f"{prefix}/{MARKER}"), (identity, prefix)
            assert can(planned, identity, "GetObject", f"{prefix}/{FILE}"), (identity, prefix)
    assert not can(planned, "scoring", "GetObject", f"{RUN.training(2)}/{FILE}")  # a scorer never sees a policy
    assert not can(planned, "prompts", "GetObject", f"{RUN.scoring(1, 0)}/{FILE}")
    for identity in ("prompts", "sampling", "scoring", "training", "evaluation", "mlflow"):
        assert not can(planned, identity, "GetObject", LOGS[1]), identity


def test_a_missing_object_is_404_for_everybody_who_asks(planned: Planned) -> None:
    """S3 answers 403 for a missing object unless the caller may list the bucket, and a condition would count as not."""
    for identity in OUTPUTS:
        assert can(planned, identity, "ListBucket", STORE), identity


def test_nothing_goes_without_tls(planned: Planned) -> None:
    key = f"{RUN.training(0)}/{FILE}"
    assert can(planned, "training", "PutObject", key)
    assert not can(planned, "training", "PutObject", key, **{"aws:securetransport": "false"})


def test_mlflow_and_the_store_do_not_meet(planned: Planned) -> None:
    artifact = "arn:aws:s3:::example-ddpo-artifacts/mlflow/1/abc/model.safetensors"
    for identity in (*OUTPUTS, "api-server", "mlflow"):
        call = Call("s3:PutObject", artifact, f"arn:aws:iam::123456789012:role/ddpo-{identity}-ddpo")
        assert allowed(call, planned.role_policy(identity), planned.bucket_policy("artifacts")) is (
            identity == "mlflow"
        )
