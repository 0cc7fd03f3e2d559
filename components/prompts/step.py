"""Draw the prompts of one iteration, or lay out a whole evaluation set.

Reads    frozen lists (components/prompts/data), or the user's own prompts, frozen with the run
Writes   prompts.jsonl, one row a picture to draw; COMMITTED.json last
Needs    nothing: no GPU, no weights, a second
"""

from __future__ import annotations

from components.core import plan, store
from components.core.contracts import PromptsRequest, PromptsResult
from components.core.errors import BadRequest
from components.core.opening import PROMPTS_FILE
from components.core.records import PromptRow, dump_rows
from components.prompts.draw import draw_prompts, evaluation_rows, training_rows
from components.prompts.held_out import HeldOutPrompts
from components.prompts.lists import EvaluationSet, TrainingList, list_names, load_list, spell_out
from components.prompts.prompt_file import parse_prompts
from components.prompts.wording import Prompt


def run(request: PromptsRequest, out: store.Attempt) -> PromptsResult:
    """Choose the prompts. What training may draw is checked either way, so a leak fails before the first picture."""
    training = training_prompts(request)
    for name in (request.evaluation_set,) if request.evaluation_set else list_names(EvaluationSet):
        HeldOutPrompts(name, load_list(name, EvaluationSet)).refuse(training)

    if request.iteration is None:
        rows = lay_out(request)
    else:
        n, k = request.prompts.prompts, request.prompts.samples_per_prompt
        drawn = draw_prompts([prompt for _, prompt in training], request.seed, request.iteration, n)
        rows = training_rows(drawn, k)
    out.write("prompts.jsonl", dump_rows(rows))
    return PromptsResult(rows=len(rows), prompts=len({row.prompt_id for row in rows}))


def training_prompts(request: PromptsRequest) -> list[tuple[str, Prompt]]:
    """(place, prompt) of everything that training may draw: a frozen list's, or the frozen file's.

    Raises BadRequest if `train` is no list, and no file was frozen under its name.
    """
    train = request.prompts.train
    if request.file is not None:
        return parse_prompts(store.open_committed(request.file).read(PROMPTS_FILE), train)
    if train in list_names(TrainingList):
        return [(train, prompt) for prompt in spell_out(load_list(train, TrainingList), request.prompts.template)]
    if plan.is_listed(train):
        raise BadRequest(
            f"no training list named {train!r}",
            hint=f"there is {', '.join(list_names(TrainingList))}; a file's name has a dot or a slash",
        )
    raise BadRequest(
        f"prompts.train = {train!r} is a file, and the request does not say where it is frozen",
        hint="open a run with it: `file` is then the run's prefix",
    )


def lay_out(request: PromptsRequest) -> list[PromptRow]:
    """The rows of an evaluation. Raises BadRequest if it has no set or no seed."""
    if request.evaluation_set is None or request.evaluation_seeds < 1:
        raise BadRequest("an evaluation needs evaluation_set and evaluation_seeds of at least 1")
    chosen = load_list(request.evaluation_set, EvaluationSet)
    return evaluation_rows(chosen.prompts(request.prompts.template), request.evaluation_seeds)
