"""Scored policies made of numbers: no store, no pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from components.core.config import EvaluationConfig, GuardConfig
from components.core.contracts import EvaluatedPolicy, EvaluationRequest, Shard
from components.core.records import RewardRow, SampleRow
from components.evaluation import statistics
from components.evaluation.bootstrap import Floats
from components.evaluation.comparisons import Compared, compare_all
from components.evaluation.limits import NONE, Calibration, Limit, Limits
from components.evaluation.signals.evidence import Evidence
from components.evaluation.tables import ScoredPolicy

Rewards = Mapping[str, Sequence[float | None]]
"""Prompt -> the rewards of its seeds. A prompt named `owl...` is held out."""
NOWHERE = EvaluatedPolicy(shards=(Shard(sampling="file:///s", scoring="file:///r"),))


def scored(
    rewards: Mapping[str, Rewards], *, parts: Mapping[str, Mapping[str, list[dict]]] | None = None
) -> ScoredPolicy:
    """A policy with each scorer's rewards, and parts of its rows where there are some."""
    samples: dict[tuple[str, int], SampleRow] = {}
    rows: dict[str, dict[tuple[str, int], RewardRow]] = {}
    for scorer, of_scorer in rewards.items():
        for prompt, values in of_scorer.items():
            split = "held_out" if prompt.startswith("owl") else "seen"
            for index, reward in enumerate(values):
                key = (prompt, index)
                text = prompt.replace("-", " ")
                samples[key] = SampleRow(
                    prompt_id=prompt, index=index, text=text, split=split, seed=index, picture_sha256=""
                )
                rows.setdefault(scorer, {})[key] = RewardRow(
                    sample_id=f"{prompt}-{index:03d}",
                    prompt_id=prompt,
                    index=index,
                    split=split,
                    scorer=scorer,
                    scorer_id=f"{scorer}@1",
                    reward=reward,
                    parts=((parts or {}).get(scorer) or {}).get(prompt, [{}] * len(values))[index],
                    error=None if reward is not None else "too small to read text in",
                )
    return ScoredPolicy("p", samples, rows, {})


def evidence(
    candidate: ScoredPolicy,
    base: ScoredPolicy,
    *,
    probes: tuple[str, ...] = (),
    guard: GuardConfig | None = None,
    statistics_of: tuple[Floats, Floats] | None = None,
    kl_to_base: float = 0.0,
    lifetime_queries: int = 0,
    limits: Mapping[str, Limit] | None = None,
) -> Evidence:
    """Evidence about a run with reward `r` and judge `j`."""
    request = EvaluationRequest(
        out="file:///out", policy=5, candidate=NOWHERE, base=NOWHERE, start=NOWHERE, reward="r", judges=("j",),
        probes=probes, evaluation=EvaluationConfig(resamples=400), guard=guard or GuardConfig(calibration=NONE),
        lifetime_queries=lifetime_queries,
    )  # fmt: skip
    ours, theirs = statistics_of or (np.zeros((len(base.samples), len(statistics.NAMES))),) * 2
    table = Calibration(name="t", base_id="b", evaluation_set="tiny-v1", limits=dict(limits or {}))
    return Evidence(
        request=request,
        candidate=candidate,
        base=base,
        candidate_statistics_NS=ours,
        base_statistics_NS=theirs,
        comparisons=compare_all(Compared("trained", candidate, {"base": base}), request),
        kl_to_base=kl_to_base,
        limits=Limits("t@1", table, "", "r") if limits is not None else Limits("none", None, "not calibrated", "r"),
    )
