"""Read a whole run back from the store and say what does not hold.

Reads    every COMMITTED.json below a run, and every file that it lists
Checks   bytes      size and sha256 of every file; content and request digests; each commit is where it was asked for
         lineage    policy k+1 is trained from policy k, on policy k's own samples, of that iteration's prompts
         scorers    a scorer keeps its identity throughout a run
         held-out   no held-out prompt, animal or activity is drawn for training
Needs    no GPU, no weights, no tracking server: the store alone
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pydantic import ValidationError

from components.core import store
from components.core.config import Contract
from components.core.contracts import (
    EvaluationResult,
    RegistrationRequest,
    RegistrationResult,
    SamplingResult,
    ScoringResult,
    StartRequest,
    TrainingRequest,
    TrainingResult,
)
from components.core.errors import BadData, MissingInput
from components.core.layout import RunLayout, policy_name
from components.core.read_back import RunContents, find_commits
from components.core.records import HELD_OUT, PromptRow

Progress = Callable[[int, int, str], None]
"""Called before each commit is read: commits done, commits in all, the prefix."""


class Verification(Contract):
    """What was read, and everything that does not hold; a sound run has no problems."""

    run: str
    commits: int
    files: int
    size: int
    """Bytes of those files."""
    policies: int
    """Policies that were trained."""
    orphans: int
    """Attempts that lost or died: harmless, and kept for retention to remove."""
    expired: int
    """Files that retention removed, as their commits' EXPIRED.json says."""
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether everything holds."""
        return not self.problems


def verify_run(run_uri: str, progress: Progress | None = None) -> Verification:
    """Check a run against itself, from the store alone. Raises Unavailable if the store is away."""
    run = RunLayout(run_uri.rstrip("/"))
    read = RunContents(run)
    prefixes, orphans = find_commits(run.uri)
    for done, prefix in enumerate(prefixes):
        if progress:
            progress(done, len(prefixes), prefix)
        read.read_commit(prefix)
    checks = (_opened, _lineage, _samples, _evaluations, _registrations, _scorers, _held_out)
    problems = [*read.problems, *(problem for check in checks for problem in check(read))]
    return Verification(
        run=run.uri,
        commits=len(prefixes),
        files=read.files,
        size=read.size,
        policies=sum(isinstance(result, TrainingResult) for result in read.results.values()),
        orphans=orphans,
        expired=read.expired,
        problems=tuple(problems),
    )


def _opened(read: RunContents) -> Iterator[str]:
    if not isinstance(read.requests.get(""), StartRequest):
        yield f"{read.run.uri} was never opened: its own COMMITTED.json is missing or no run's"


def _trainings(read: RunContents) -> dict[int, tuple[TrainingRequest, TrainingResult]]:
    """Trainings by iteration, as they lie in the layout."""
    found = {}
    paths = sorted(path for path, result in read.results.items() if isinstance(result, TrainingResult))
    for path in paths:
        request, result = read.requests[path], read.results[path]
        if isinstance(request, TrainingRequest) and isinstance(result, TrainingResult):
            found[request.iteration] = (request, result)
    return found


def _lineage(read: RunContents) -> Iterator[str]:
    """Each policy's parent is the policy before it."""
    trainings = _trainings(read)
    for k, (request, result) in trainings.items():
        if read.path(request.out) != read.path(read.run.training(k)) or result.iteration != k:
            yield f"{read.path(request.out)}: holds the training of iteration {k}, result {result.iteration}"
        if k == 0:
            yield from _start(read, result)
            continue
        if k - 1 not in trainings:
            yield f"iteration {k} is trained, and iteration {k - 1} is not"
        elif (before := trainings[k - 1][1].policy_id) != result.parent_id:
            yield f"iteration {k}: its parent is {result.parent_id}, but iteration {k - 1} made {before}"


def _start(read: RunContents, first: TrainingResult) -> Iterator[str]:
    """A warm start is from the policy that the config names, wherever that was made."""
    opened = read.requests.get("")
    adapter = opened.config.start_adapter if isinstance(opened, StartRequest) else None
    if adapter is None:
        return
    try:
        made = TrainingResult.model_validate(store.open_committed(adapter).manifest.result).policy_id
    except (MissingInput, BadData, ValidationError) as error:
        yield f"the start {adapter} cannot be read: {str(error).splitlines()[0]}"
        return
    if made != first.parent_id:
        yield f"iteration 0: its parent is {first.parent_id}, but the start {adapter} made {made}"


def _samples(read: RunContents) -> Iterator[str]:
    """A policy is updated on its own samples: the iteration's prompts, all of them and no others."""
    for k, (request, result) in _trainings(read).items():
        missing = {(row.sample_id, row.text) for row in read.prompts.get(read.path(read.run.prompts(k)), ())}
        for shard in request.shards:
            path, scoring = read.path(shard.sampling), read.requests.get(read.path(shard.scoring))
            sampling = read.results.get(path)
            if not isinstance(sampling, SamplingResult):
                yield f"iteration {k}: trained on {path}, which is not a committed shard"
                continue
            if sampling.policy_id != result.parent_id:
                yield f"iteration {k}: {path} was drawn by {sampling.policy_id}, not by the parent {result.parent_id}"
            if scoring is None or read.path(getattr(scoring, "sampling", "")) != path:
                yield f"iteration {k}: the rewards of {path} are not committed, or are another shard's"
            drawn = {(row.sample_id, row.text) for row in read.samples.get(path, ())}
            if foreign := sorted(drawn - missing):
                yield f"iteration {k}: {path} holds {foreign[0][0]}, which is another shard's or nobody's prompt"
            missing -= drawn
        if missing:
            yield f"iteration {k}: no shard holds {sorted(missing)[0][0]}, which was to be drawn"


def _policies(read: RunContents) -> dict[int, str]:
    """Policy number -> id."""
    trainings = _trainings(read)
    start = {0: trainings[0][1].parent_id} if 0 in trainings else {}
    return start | {k + 1: result.policy_id for k, (_, result) in trainings.items()}


def _evaluations(read: RunContents) -> Iterator[str]:
    """An evaluation of policy k is about the policy that iteration k-1 made."""
    for k, expected in _policies(read).items():
        place = f"evaluations/{policy_name(k)}/"
        for path, result in read.results.items():
            about = isinstance(result, EvaluationResult | SamplingResult) and path.startswith(place)
            if about and (found := getattr(result, "policy_id", expected)) != expected:
                yield f"{path}: is about {found}, but policy {k} is {expected}"


def _registrations(read: RunContents) -> Iterator[str]:
    """What is registered is a policy of this run."""
    ids = set(_policies(read).values())
    for path, result in read.results.items():
        request = read.requests.get(path)
        base = isinstance(request, RegistrationRequest) and request.policy == 0  # of a warm start, nobody's policy here
        if isinstance(result, RegistrationResult) and not base and result.policy_id not in ids:
            yield f"{path}: registers {result.policy_id}, which this run did not make"


def _scorers(read: RunContents) -> Iterator[str]:
    """A scorer is the same from the first picture to the last. Pictures that were scored again are another matter."""
    first: dict[str, tuple[str, str]] = {}
    for path, result in sorted(read.results.items()):
        if isinstance(result, ScoringResult) and not path.startswith("rescored/"):
            for name, identity in result.scorer_ids.items():
                known, where = first.setdefault(name, (identity, path))
                if known != identity:
                    yield f"{path}: scorer {name} is {identity}, but in {where} it was {known}"


def _held_out(read: RunContents) -> Iterator[str]:
    """Training draws nothing that the evaluation set holds out: no text, animal or activity."""
    held = [row for row in read.prompts.get("evaluations/prompts", ()) if HELD_OUT in row.split]
    if not held and any(path.startswith("iterations/") for path in read.prompts):
        yield "evaluations/prompts: no held-out prompts are committed, so nothing says what training must not draw"
    texts = {row.text for row in held}
    # held_out_activity holds out what animals do, held_out_animal the animals alone, held_out both of them.
    animals = {row.animal for row in held if "activity" not in row.split} - {None}
    activities = {row.activity for row in held if "animal" not in row.split} - {None}
    for path, rows in _training_rows(read):
        for row in rows:
            if HELD_OUT in row.split or row.text in texts or row.animal in animals or row.activity in activities:
                yield f"{path}: {row.text!r} is held out, and was drawn for training"
                break


def _training_rows(read: RunContents) -> Iterator[tuple[str, Iterable[PromptRow]]]:
    """Rows that iterations drew, and rows of any shard that a training names."""
    for path, prompts in read.prompts.items():
        if path.startswith("iterations/"):
            yield path, prompts
    named = {read.path(shard.sampling) for request, _ in _trainings(read).values() for shard in request.shards}
    for path, samples in read.samples.items():
        if path in named or path.startswith("iterations/"):
            yield path, samples
