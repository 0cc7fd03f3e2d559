"""The model card: what the policy is, its numbers, how to load it, where it comes from. A function of commits."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from components.core.base_model import TINY
from components.core.contracts import EvaluationResult, Signal, WorstSlice
from components.core.tracking.labels import comparison_table, spaced, with_tables
from components.registration.lineage import Lineage, Training, stands_on, verdict

DESCRIPTION_LIMIT = 5000
"""Characters that MLflow's registry keeps of a description."""

WORST = 5
"""Prompts and words that the card names, of each scorer."""


Place = Literal["registry", "adapter", "pipeline"]
"""What the card lies beside: a registered version, an exported adapter, an exported pipeline that it is merged into."""


def model_card(lineage: Lineage, place: Place = "registry") -> str:
    """The whole card, in Markdown, with the front matter that model hubs read. Its picture lies beside it."""
    parts = [_front_matter(lineage), _title(lineage), _what(lineage), _picture(lineage), _numbers(lineage)]
    loading = _loading(lineage) if place == "registry" else _loading_files(lineage, place)
    parts += [_guard(lineage), _worst(lineage), loading, _licence(lineage), _lineage(lineage)]
    return "\n\n".join(part for part in parts if part) + "\n"


def version_description(lineage: Lineage) -> str:
    """What stands on the version's page in MLflow: what decides first, and of the rest whole parts that fit."""
    parts = [_what(lineage), _verdict(lineage)[: DESCRIPTION_LIMIT // 4], _loading(lineage), _licence(lineage)]
    parts = [part for part in parts if part]
    if (report := lineage.evaluation) is not None:
        reward = lineage.state.config.reward.name
        tables = [comparison_table(report), comparison_table(report, "champion")]
        parts = with_tables(parts, tables, reward, DESCRIPTION_LIMIT)
    else:
        parts.insert(1, _numbers(lineage))
    for part in (_worst(lineage), _lineage(lineage)):
        longer = [*parts, part]
        parts = longer if part and len(spaced("\n\n".join(longer))) <= DESCRIPTION_LIMIT else parts
    return spaced("\n\n".join(parts))[:DESCRIPTION_LIMIT]


def _front_matter(lineage: Lineage) -> str:
    lora = lineage.training is not None and not lineage.training.whole
    tags = f"[{'lora, ' if lora else ''}ddpo{', reinforcement-learning' if lineage.training else ''}]"
    return "\n".join(
        ["---", "library_name: diffusers", f"base_model: {lineage.request.base.model}", "pipeline_tag: text-to-image",
         f"tags: {tags}", "---"]
    )  # fmt: skip


def _title(lineage: Lineage) -> str:
    if lineage.training is None:
        return f"# {lineage.request.model}: the base"
    return f"# {lineage.request.model}: policy {lineage.request.policy} of {lineage.state.run.run_id}"


def _what(lineage: Lineage) -> str:
    base, config = lineage.request.base, lineage.state.config
    named = f"`{base.model}`" + (f" at revision `{base.revision}`" if base.revision else "")
    if lineage.training is None:
        said = f"The bare base {named}: what {lineage.request.model} falls back to. No adapter, no reward."
        return f"{said}\n\n{_sampler_row(lineage)}"
    lora, algorithm = lineage.training.request.training.lora, lineage.training.request.training.algorithm
    shape = f"rank {lora.rank}, alpha {lora.alpha:g}, targets: {lora.targets}"
    trained = "The UNet" if lineage.training.whole else "A LoRA adapter for the UNet"
    return "\n".join(
        [
            f"{trained} of {named} ({'every weight' if lineage.training.whole else shape}), fine-tuned by"
            f" {algorithm.upper().replace('_', '-')} to raise **{lineage.training.request.reward}**: "
            f"{lineage.request.policy} iterations, {lineage.reward_queries} pictures scored"
            + (f", {lineage.lifetime_queries} over all warm starts." if lineage.warm_starts else "."),
            "",
            f"- Prompts: template `{config.prompts.template}`, list `{config.prompts.train}`, "
            f"{config.prompts.prompts} x {config.prompts.samples_per_prompt} pictures an iteration.",
            _sampler_row(lineage),
        ]
    )


def _sampler_row(lineage: Lineage) -> str:
    sampler = lineage.state.config.sampler
    return (
        f"- Sampler: {sampler.steps} DDIM steps ({sampler.timestep_spacing} spacing), guidance "
        f"{sampler.guidance_scale:g}; eta {sampler.eta:g} in training, eta 0 as it ships. "
        "Other settings are outside of what it was rewarded for."
    )


def _picture(lineage: Lineage) -> str:
    if lineage.evaluation is None:
        return ""
    return "![Fixed prompts and noise, base above this policy](panel.png)"


def _numbers(lineage: Lineage) -> str:
    report = lineage.evaluation
    if report is None:
        return "## Numbers\n\nThis policy was not evaluated. Its reward in training says nothing about other prompts."
    parts = ["## Numbers", "", *comparison_table(report)]
    for title, table in _other_tables(report):
        parts += ["", title, "", *table]
    confidence = lineage.state.config.evaluation.confidence
    parts += [
        "",
        f"Paired over the same prompts and noise, with {confidence:.0%} intervals. Splits named `held_out` hold "
        "prompts that no training iteration used. A scorer other than the reward is a judge that training never saw: "
        "if the reward rises and a judge falls, the policy pays for it in something else. "
        f"Path KL to the base: {report.kl_to_base:.3f} nats." + _generalises(report),
    ]
    return "\n".join(parts)


def _other_tables(report: EvaluationResult) -> list[tuple[str, list[str]]]:
    champion = f"Against the champion of the time, policy `{report.champion_id or ''}`:"
    tables = [
        (champion, comparison_table(report, "champion")),
        ("Drawn by the sampler that ships (eta 0), against the base:", comparison_table(report, sampler="deployed")),
        ("Likewise, against the champion:", comparison_table(report, "champion", "deployed")),
    ]
    return [(title, table) for title, table in tables if table]


def _generalises(report: EvaluationResult) -> str:
    if report.generalisation is None:
        return ""
    return f" Held-out gain over seen gain: {report.generalisation:.2f}."


def _verdict(lineage: Lineage) -> str:
    report = lineage.evaluation
    if report is None or not report.signals:
        return ""
    told = sorted(
        (s for s in report.signals if s.votes and s.level != "pass"), key=lambda s: s.level
    )  # fail, then warn
    said = f"Verdict on this evaluation: **{verdict(lineage)}**. Limits: `{report.calibration}`."
    return "\n".join(["## Guard", "", said, *([""] if told else []), *(f"- {s.level}: {s.reason}" for s in told)])


def _guard(lineage: Lineage) -> str:
    report = lineage.evaluation
    if report is None or not report.signals:
        return ""
    rows = [_signal_row(signal) for signal in report.signals]
    table = ["| signal | value | unit | warn | fail | level |", "|---|---|---|---|---|---|", *rows]
    return "\n".join([_verdict(lineage), "", *table])


def _signal_row(s: Signal) -> str:
    level = s.level if s.votes else f"{s.level} (no vote)"
    value, warn, fail = ("-" if x is None else f"{x:.3g}" for x in (s.value, s.warn, s.fail))
    return f"| {s.name} | {value if s.value is not None else 'not available'} | {s.unit} | {warn} | {fail} | {level} |"


def _worst(lineage: Lineage) -> str:
    found = lineage.evaluation.worst if lineage.evaluation else ()
    if not found:
        return ""
    shown: list[WorstSlice] = []
    for scorer, kind in dict.fromkeys((w.scorer, w.kind) for w in found):
        ours = sorted((w for w in found if (w.scorer, w.kind) == (scorer, kind)), key=lambda w: w.difference)
        shown += ours[:WORST]
    rows = [f"| {w.kind} | {w.name} | {w.scorer} | {w.split} | {w.difference:+.3f} | {w.pairs} |" for w in shown]
    table = ["| kind | name | scorer | split | difference to base | pairs |", "|---|---|---|---|---|---|", *rows]
    return "\n".join(["## Worst prompts and words", "", *table])


def _loading(lineage: Lineage) -> str:
    model = lineage.request.model
    lines = [
        "## Load it",
        "",
        "Checked file by file against what was registered, wherever mlflow, torch, diffusers and peft are:",
        "",
        "```python",
        "import mlflow",
        "",
        f'served = mlflow.pyfunc.load_model("models:/{model}/<version>")',
        '(png,) = served.predict({"prompt": [prompt]}, params={"seed": 0})',
        "```",
        "",
        "As a pipeline of stock diffusers, unchecked:",
        "",
        "```python",
        "import mlflow",
        "from diffusers import DDIMScheduler, StableDiffusionPipeline",
        *(["from safetensors.torch import load_file"] if lineage.training and lineage.training.whole else []),
        "",
        f'files = mlflow.artifacts.download_artifacts("models:/{model}/<version>")',
        f"pipe = StableDiffusionPipeline.from_pretrained({_base_argument(lineage, bundled=True)})",
        *_scheduler_lines(lineage),
        *_weights_lines(lineage.training),
        _drawing_line(lineage),
        "```",
    ]
    return "\n".join(lines)


def _loading_files(lineage: Lineage, place: Place) -> str:
    """For a directory of files, with the name that it has when it is downloaded or moved left to the reader."""
    merged = place == "pipeline"
    said = "What was trained is part of the UNet's weights here, fp32." if merged else "The adapter beside its base."
    base = '"<this directory>"' if merged else _base_argument(lineage, bundled=False)
    lines = [
        "## Load it",
        "",
        said,
        "",
        "```python",
        f"from diffusers import {'' if merged else 'DDIMScheduler, '}StableDiffusionPipeline",
        "",
        f"pipe = StableDiffusionPipeline.from_pretrained({base})",
        *([] if merged else [*_scheduler_lines(lineage), 'pipe.load_lora_weights("<this directory>")']),
        _drawing_line(lineage),
        "```",
    ]
    return "\n".join(lines)


def _base_argument(lineage: Lineage, *, bundled: bool) -> str:
    if Path(lineage.base_place).is_dir():
        here = "components/policy/tiny/weights" if lineage.base_place == str(TINY) else lineage.base_place
        return 'f"{files}/base"' if bundled else f'"{here}"'
    revision = lineage.request.base.revision
    return f'"{lineage.request.base.model}"' + (f', revision="{revision}"' if revision else "")


def _scheduler_lines(lineage: Lineage) -> list[str]:
    spacing = lineage.state.config.sampler.timestep_spacing
    settings = f'pipe.scheduler.config, timestep_spacing="{spacing}", clip_sample=False'
    return [f"pipe.scheduler = DDIMScheduler.from_config({settings})"]


def _drawing_line(lineage: Lineage) -> str:
    sampler = lineage.state.config.sampler
    settings = f"num_inference_steps={sampler.steps}, guidance_scale={sampler.guidance_scale:g}, eta=0.0"
    return f"picture = pipe(prompt, {settings}).images[0]"


def _weights_lines(training: Training | None) -> list[str]:
    if training is None:
        return []
    if training.whole:
        return ['pipe.unet.load_state_dict(load_file(f"{files}/unet_weights/unet.safetensors"))']
    return ['pipe.load_lora_weights(f"{files}/adapter_weights")']


def _licence(lineage: Lineage) -> str:
    if lineage.base_place == str(TINY):
        terms = "The base is this project's own embedded tiny policy and shares the project's licence (Apache-2.0)."
    else:
        terms = f"The licence of `{lineage.request.base.model}` governs this policy and its pictures: read it there."
    return f"## Licence\n\nA fine-tuned policy is a derivative of its base model. {terms}"


def _lineage(lineage: Lineage) -> str:
    rows = [f"| {key} | `{value}` |" for key, value in stands_on(lineage).items()]
    return "\n".join(["## Lineage", "", "| what | which |", "|---|---|", *rows])
