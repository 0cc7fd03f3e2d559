"""The trigger forms of the DAGs: what a person may choose, with its type and its range."""

from __future__ import annotations

import os

from airflow.sdk import Param

from components.core.retention import KEEP, ORPHANS_AFTER
from dags.pipeline import comparisons, presets

ITERATION_FORM = {
    "run": Param(
        type="string", minLength=1, title="Run", description="Id of a run of this store, or the URI of a run elsewhere."
    ),
    "iteration": Param(
        type="integer", minimum=0, title="Iteration", description="The first that is not trained yet; 0 for a new run."
    ),
}

RETRAIN_FORM = {
    "preset": Param(
        os.environ.get("DDPO_RETRAIN_PRESET") or "demo",  # what a scheduled run takes
        type=["null", "string"],
        enum=[*presets.names(), None],
        title="Preset",
        description="What to run. Leave it empty to go on with the run that is named below.",
    ),
    "run_id": Param(
        None,
        type=["null", "string"],
        title="Run id",
        description="Letters, digits, dot, dash, underscore. Empty: the preset's name and the time.",
    ),
    "iterations": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        maximum=100_000,
        title="Iterations",
        description="Empty: as the preset says.",
    ),
    "seed": Param(
        None,
        type=["null", "integer"],
        minimum=0,
        maximum=2**31 - 1,
        title="Seed",
        description="Empty: as the preset says.",
    ),
    "overrides": Param(
        None,
        type=["null", "array"],
        items={"type": "string"},
        title="Overrides",
        description="One `key=value` a line, such as training.learning_rate=1e-3",
    ),
    "start": Param(
        os.environ.get("DDPO_RETRAIN_START") or "base",
        type="string",
        enum=["base", "champion"],
        title="Start from",
        description="The base (or the preset's start_adapter), or the champion of the preset's model.",
    ),
    "seed_policy": Param(
        os.environ.get("DDPO_RETRAIN_SEED_POLICY") or "preset",
        type="string",
        enum=["preset", "advance"],
        title="Seed policy",
        description="The preset's seed, so that an unchanged schedule is skipped; or one more than last time.",
    ),
    "force": Param(False, type="boolean", title="Force", description="Run though nothing changed since the last run."),
}

PROMOTE_FORM = {
    "run": Param(
        type="string", minLength=1, title="Run", description="Id of a run of this store, or the URI of a run elsewhere."
    ),
    "policy": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        title="Policy",
        description="Its number in the run. Empty: the best one that the guard passes.",
    ),
}

CLEANUP_FORM = {
    "run": Param(None, type=["null", "string"], title="Run", description="Id or URI of one run. Empty: every run."),
    "keep": Param(
        KEEP,
        type="integer",
        minimum=0,
        title="Keep",
        description="Newest trained iterations that keep their trajectories.",
    ),
    "orphan_days": Param(
        ORPHANS_AFTER.days,
        type="number",
        minimum=1,
        title="Orphans after",
        description="Days after which an attempt without a commit is dead. Longer than any step may take.",
    ),
    "dry": Param(False, type="boolean", title="Dry run", description="Say what would go, and remove nothing."),
}

RESCORE_FORM = {
    "run": Param(
        type="string", minLength=1, title="Run", description="Id of a run of this store, or the URI of a run elsewhere."
    ),
    "reward": Param(
        type="string",
        minLength=1,
        title="Reward",
        description="A reward or judge: a name that the scoring image knows, or package.module:Class.",
    ),
    "options": Param(
        None, type=["null", "object"], title="Options", description='As JSON, such as {"quality": 80}. Empty: its own.'
    ),
    "what": Param(
        "evaluation",
        type="string",
        enum=["evaluation", "training", "all"],
        title="Pictures",
        description="Those of the evaluations (the same noise for every policy), of the iterations, or both.",
    ),
    "every": Param(
        1,
        type="integer",
        minimum=1,
        title="Every",
        description="Of the iterations only each n-th, and the last.",
    ),
}

COMPARE_FORM = {
    "comparison": Param(
        "tiny",
        type="string",
        examples=comparisons.names(),
        title="Comparison",
        description="Which algorithms, rewards and seeds: a file in dags/comparisons, or the path of your own.",
    ),
    "name": Param(
        None,
        type=["null", "string"],
        title="Name",
        description="Its name in the store, and the beginning of its runs' ids. Empty: the comparison's own.",
    ),
    "overrides": Param(
        None,
        type=["null", "array"],
        items={"type": "string"},
        title="Overrides",
        description="One `key=value` a line, such as reward_queries=1280 or seeds=[0]",
    ),
}
