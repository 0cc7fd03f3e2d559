"""Open a run: freeze its config, its user's prompts, its champion, and what a schedule compares on the next Monday."""

from __future__ import annotations

import hashlib
from pathlib import Path

from components.core import base_model, plan, promotion, software, spending, store
from components.core.config import RunConfig, flat
from components.core.contracts import StartRequest, StartResult, canonical_json
from components.core.errors import BadRequest, Conflict, MissingInput
from components.core.layout import RunLayout

PROMPTS_FILE = "prompts.txt"


def open_run(store_uri: str, run_id: str, config: RunConfig, *, preset: str | None = None) -> RunLayout:
    """Freeze a config under a run id. The same again is fine; another config under the same id is a Conflict.

    The champion is the one of the first opening: a repeat does not ask again.
    """
    run = RunLayout.of(store_uri, run_id)
    prompts = own_prompts(config)
    inputs = inputs_of(config, prompts)
    existing = store.find(run.uri)
    if existing is not None:
        _require_same(run, existing.asked(StartRequest), config, inputs)
        return run
    champion = promotion.champion(store_uri, config.registration.model)
    request = StartRequest(
        out=run.uri,
        config=config,
        base_id=inputs["base"],
        preset=preset,
        inputs=inputs,
        champion=_comparable(champion, config, inputs["base"]) if champion else None,
        start_queries=spending.queries_of_policy(config.start_adapter),
    )
    with store.Attempt(run.uri, step="start") as attempt:
        if prompts is not None:
            attempt.write(PROMPTS_FILE, prompts)
        attempt.commit(request, StartResult(run=run.run_id))
    return run


def inputs_of(config: RunConfig, prompts: bytes | None = None) -> dict[str, str]:
    """What a run is made of, each with a version or a digest: two runs with equal inputs are a repetition.

    Where a policy starts from is not among them: a champion that this very schedule made is nothing new.
    """
    settings = config.model_dump(mode="json", exclude={"base", "prompts", "reward", "seed", "start_adapter"})
    drawing = config.prompts.model_dump(mode="json")
    return {
        "prompts": f"{config.prompts.train}@{_digest([drawing, _sha(prompts)])}",
        "evaluation set": config.evaluation.set,
        "reward": f"{config.reward.name}@{_digest(config.reward.model_dump(mode='json'))}",
        "base": base_model.identify(config.base),
        "seed": str(config.seed),
        "settings": _digest(settings),
        "release": software.project_version(),
    }


def own_prompts(config: RunConfig) -> bytes | None:
    """The user's prompt file, here or in a store; None for a frozen list. Raises MissingInput if it cannot be read."""
    if plan.is_listed(config.prompts.train):
        return None
    place = config.prompts.train
    if "://" in place:
        return store.read(place)
    try:
        return Path(place).expanduser().read_bytes()
    except OSError as error:
        raise MissingInput(
            f"prompts.train = {place!r} cannot be read: {error.strerror}",
            hint="a frozen list's name has no dot or slash; a file's path is seen from where the run is opened",
        ) from None


def _require_same(run: RunLayout, opened: StartRequest, config: RunConfig, inputs: dict[str, str]) -> None:
    if opened.config != config:
        changed = differences(opened.config, config)
    else:
        names = [name for name in ("base", "prompts") if opened.inputs.get(name, inputs[name]) != inputs[name]]
        changed = ["the base model's weights" if name == "base" else "the prompt file's content" for name in names]
    if changed:
        raise Conflict(
            f"run {run.run_id} exists with another config: it differs in {', '.join(changed)}",
            hint="choose another --run-id, or `ddpo resume` to go on with the config it has",
        )


def _comparable(champion: promotion.Promotion, config: RunConfig, base_id: str) -> str | None:
    if champion.base_id != base_id:
        raise BadRequest(
            f"the champion of {config.registration.model} belongs to the base {champion.base_id}, not to {base_id}",
            hint="policies of two bases cannot replace one another: choose another registration.model",
        )
    return champion.training


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """Dotted keys whose values differ."""
    before, after = flat(old.model_dump(mode="json")), flat(new.model_dump(mode="json"))
    return [key for key in sorted(before | after) if before.get(key, {}) != after.get(key, {})]


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()[:16]


def _sha(data: bytes | None) -> str:
    return hashlib.sha256(data).hexdigest() if data is not None else ""
