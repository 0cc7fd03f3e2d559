"""Every path below a run, and nowhere else.

<store>/runs/<run id>/                    the run: COMMITTED.json freezes its config
    control/<n>.json                      stop, resume, extend: an append-only log
    iterations/<k>/plan/                  the requests of iteration k
    iterations/<k>/prompts/
    iterations/<k>/shards/<s>/sampling/   iterations/<k>/shards/<s>/scoring/
    iterations/<k>/training/              makes policy k+1
    evaluations/prompts/                  the evaluation set, laid out once a run
    evaluations/<name>/plan/              `policy-0000` is the start; `base` and `champion` where they are not the start
    evaluations/<name>/shards/<s>/sampling/   .../scoring/
    evaluations/<name>/deployed/sampling/     .../scoring/      the sampler that ships, eta 0
    evaluations/<name>/report/
    registrations/<k>/                    policy k in the registry; registrations/<k>/plan/ its request
    rescored/<scorer>/<group>/plan/       pictures scored again; a group is `iteration-0007`, `policy-0003`, `base`
    rescored/<scorer>/<group>/scoring-00/
    rescored/<scorer>/tables/<digest>/    what that came to; the digest is over the scorings that it is made of
<store>/promotions/<model>/<n>.json       which policy became a model's champion, and when: an append-only log
<store>/audits/<scorer id>/<digest>/      a reward's audit; the digest is over the pictures and the probes
<store>/comparisons/<name>/               a comparison of algorithms: COMMITTED.json freezes it; its runs are runs
<store>/comparisons/<name>/tuning/        the learning rates that were chosen
<store>/compared/<name>/<digest>/         its figure, table and page; the digest is over the evaluations in it
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from components.core.errors import BadRequest

BASE = "base"
"""Name of the bare base's evaluation, where it is not policy 0 itself."""
CHAMPION = "champion"
"""Name of the champion's evaluation, where it is neither the base nor policy 0."""


def promotions(store: str, model: str) -> str:
    """Log of a model's champions."""
    return f"{store.rstrip('/')}/promotions/{model}"


def audits(store: str, scorer_id: str) -> str:
    """Audits of a scorer.

    >>> audits("s3://b/ddpo", "my.module:Colour@12ab")
    's3://b/ddpo/audits/my.module-Colour@12ab'
    """
    return f"{store.rstrip('/')}/audits/{re.sub(r'[^A-Za-z0-9_.@-]', '-', scorer_id)}"


def models(store: str, model: str) -> str:
    """Mirrors of a model, one a commit.

    >>> models("s3://bucket/prefix", "openai/clip-vit-large-patch14")
    's3://bucket/prefix/models/openai--clip-vit-large-patch14'
    """
    return f"{store.rstrip('/')}/models/{model.replace('/', '--')}"


def comparison(store: str, name: str) -> str:
    """A comparison of algorithms.

    >>> comparison("s3://b/ddpo/", "tiny")
    's3://b/ddpo/comparisons/tiny'
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        raise BadRequest(f"comparison {name!r} must be at most 40 lower-case letters, digits, dash and underscore")
    return f"{store.rstrip('/')}/comparisons/{name}"


def store_of_comparison(uri: str) -> str:
    """URI of the store that a comparison lies in."""
    return uri.rstrip("/").rsplit("/comparisons/", 1)[0]


def comparison_tuning(uri: str) -> str:
    """The learning rates that a comparison has chosen."""
    return f"{uri}/tuning"


def comparison_results(uri: str) -> str:
    """Figures and tables of a comparison, one directory for each set of evaluations.

    >>> comparison_results("s3://b/ddpo/comparisons/tiny")
    's3://b/ddpo/compared/tiny'
    """
    return f"{store_of_comparison(uri)}/compared/{uri.rstrip('/').rsplit('/', 1)[-1]}"


def policy_name(policy: int) -> str:
    """Name of policy k's evaluation."""
    return f"policy-{policy:04d}"


def iteration_name(k: int) -> str:
    """Name of iteration k's pictures, where they stand beside those of evaluations."""
    return f"iteration-{k:04d}"


def iteration_number(name: str) -> int | None:
    """The number in an iteration's name; None for an evaluation's.

    >>> iteration_number("iteration-0012"), iteration_number("policy-0012")
    (12, None)
    """
    number = name.removeprefix("iteration-")
    return int(number) if name != number and number.isdigit() else None


def policy_number(name: str) -> int | None:
    """The number in a policy's evaluation's name; None for another name.

    >>> policy_number("policy-0012"), policy_number("base")
    (12, None)
    """
    number = name.removeprefix("policy-")
    return int(number) if name != number and number.isdigit() else None


@dataclass(frozen=True)
class RunLayout:
    """Paths of one run. `uri` is `<store>/runs/<run id>`."""

    uri: str

    @classmethod
    def of(cls, store: str, run: str) -> RunLayout:
        """The run of this id in a store; a full URI is taken as it is."""
        if "://" in run:
            return cls(run.rstrip("/"))
        if not run[:1].isalnum() or not all(c.isalnum() or c in "._-" for c in run):
            raise BadRequest(f"run id {run!r} must be a letter or digit, then letters, digits, dot, dash, underscore")
        if re.search(r"-it-\d{4,}$", run):
            raise BadRequest(f"run id {run!r} ends like the name of an iteration, `-it-0001`: choose another")
        return cls(f"{store.rstrip('/')}/runs/{run}")

    @property
    def run_id(self) -> str:
        """Last part of the URI."""
        return self.uri.rsplit("/", 1)[-1]

    @property
    def store(self) -> str:
        """URI of the store that the run lies in."""
        return self.uri.rsplit("/runs/", 1)[0]

    @property
    def control(self) -> str:
        """Append-only log of what people asked of the run."""
        return f"{self.uri}/control"

    def iteration(self, k: int) -> str:
        """Everything of iteration k."""
        return f"{self.uri}/iterations/{k:04d}"

    def plan(self, k: int) -> str:
        """Requests of iteration k."""
        return f"{self.iteration(k)}/plan"

    def prompts(self, k: int) -> str:
        """Prompt rows of iteration k."""
        return f"{self.iteration(k)}/prompts"

    def sampling(self, k: int, shard: int) -> str:
        """Trajectories and pictures of one shard."""
        return f"{self.iteration(k)}/shards/{shard:02d}/sampling"

    def scoring(self, k: int, shard: int) -> str:
        """Rewards of one shard."""
        return f"{self.iteration(k)}/shards/{shard:02d}/scoring"

    def training(self, k: int) -> str:
        """Policy k+1."""
        return f"{self.iteration(k)}/training"

    @property
    def evaluations(self) -> str:
        """Every evaluation of the run."""
        return f"{self.uri}/evaluations"

    @property
    def evaluation_prompts(self) -> str:
        """The evaluation set, laid out."""
        return f"{self.uri}/evaluations/prompts"

    def evaluation(self, name: str) -> str:
        """Everything of one policy's evaluation; `name` is policy_name(k) or BASE."""
        return f"{self.uri}/evaluations/{name}"

    def evaluation_plan(self, name: str) -> str:
        """Requests of one evaluation."""
        return f"{self.evaluation(name)}/plan"

    def evaluation_sampling(self, name: str, shard: int) -> str:
        """Pictures of one shard of an evaluation."""
        return f"{self.evaluation(name)}/shards/{shard:02d}/sampling"

    def evaluation_scoring(self, name: str, shard: int) -> str:
        """Rewards and judgements of one shard of an evaluation."""
        return f"{self.evaluation(name)}/shards/{shard:02d}/scoring"

    def deployed_sampling(self, name: str) -> str:
        """Pictures of an evaluation by the sampler that ships."""
        return f"{self.evaluation(name)}/deployed/sampling"

    def deployed_scoring(self, name: str) -> str:
        """Their rewards and judgements."""
        return f"{self.evaluation(name)}/deployed/scoring"

    def report(self, policy: int) -> str:
        """Comparison of policy k with base and start."""
        return f"{self.evaluation(policy_name(policy))}/report"

    def registration(self, policy: int) -> str:
        """Policy k in the registry."""
        return f"{self.uri}/registrations/{policy:04d}"

    def registration_plan(self, policy: int) -> str:
        """Request to register policy k."""
        return f"{self.registration(policy)}/plan"

    @property
    def rescored(self) -> str:
        """Everything that was scored again with other scorers."""
        return f"{self.uri}/rescored"

    def rescored_plan(self, scorer: str, group: str) -> str:
        """Requests to score one group again; `scorer` is rescoring.scorer_name()."""
        return f"{self.rescored}/{scorer}/{group}/plan"

    def rescored_scoring(self, scorer: str, group: str, shard: int) -> str:
        """Rewards of one shard of a group, by another scorer."""
        return f"{self.rescored}/{scorer}/{group}/scoring-{shard:02d}"

    def rescored_tables(self, scorer: str) -> str:
        """Tables of a scorer, one for each set of scorings."""
        return f"{self.rescored}/{scorer}/tables"
