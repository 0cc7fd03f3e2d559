"""The model card: what the policy is, its numbers, how to load it, where it comes from. A function of commits."""

from __future__ import annotations

from components.core.base_model import TINY
from components.core.tracking.labels import comparison_table, spaced
from components.registration.lineage import Lineage, stands_on

DESCRIPTION_LIMIT = 5000
"""Characters that MLflow's registry keeps of a description."""


def model_card(lineage: Lineage) -> str:
    """The whole card, in Markdown, with the front matter that model hubs read."""
    parts = [_front_matter(lineage), _title(lineage), _what(lineage), _numbers(lineage), _loading(lineage)]
    return "\n\n".join([*parts, _licence(lineage), _lineage(lineage)]) + "\n"


def version_description(lineage: Lineage) -> str:
    """What stands on the version's page in MLflow, with the lineage where there is room for it."""
    parts = [_what(lineage), _numbers(lineage), _loading(lineage), _licence(lineage)]
    short, whole = (spaced("\n\n".join(p)) for p in (parts, [*parts, _lineage(lineage)]))
    return whole if len(whole) <= DESCRIPTION_LIMIT else short[:DESCRIPTION_LIMIT]


def _front_matter(lineage: Lineage) -> str:
    return "\n".join(
        ["---", "library_name: diffusers", f"base_model: {lineage.request.base.model}", "pipeline_tag: text-to-image",
         "tags: [lora, ddpo, reinforcement-learning]", "---"]
    )  # fmt: skip


def _title(lineage: Lineage) -> str:
    return f"# {lineage.request.model}: policy {lineage.request.policy} of {lineage.state.run.run_id}"


def _what(lineage: Lineage) -> str:
    config, request = lineage.state.config, lineage.training_request
    lora, sampler, prompts = request.training.lora, request.sampler, config.prompts
    base = f"`{config.base.model}`" + (f" at revision `{config.base.revision}`" if config.base.revision else "")
    return "\n".join(
        [
            f"A LoRA adapter for the UNet of {base} (rank {lora.rank}, alpha {lora.alpha:g}, targets: {lora.targets}), "
            f"fine-tuned by {request.training.algorithm.upper().replace('_', '-')} to raise **{request.reward}**: "
            f"{lineage.request.policy} iterations, {lineage.reward_queries} pictures scored.",
            "",
            f"- Prompts: template `{prompts.template}`, list `{prompts.train}`, "
            f"{prompts.prompts} x {prompts.samples_per_prompt} pictures an iteration.",
            f"- Trained at {sampler.steps} DDIM steps ({sampler.timestep_spacing} spacing), eta {sampler.eta:g}, "
            f"guidance {sampler.guidance_scale:g}. Other settings are outside of what it was rewarded for.",
        ]
    )


def _numbers(lineage: Lineage) -> str:
    if lineage.evaluation is None:
        return "## Numbers\n\nThis policy was not evaluated. Its reward in training says nothing about other prompts."
    unseen = "Splits named `held_out` hold prompts that no training iteration used. "
    judges = (
        "A scorer other than the reward is a judge that training never saw: if the reward rises and a judge falls, "
    )
    return "\n".join(
        ["## Numbers", "", *comparison_table(lineage.evaluation), "",
         f"Paired over the same prompts and noise, with {lineage.state.config.evaluation.confidence:.0%} intervals. "
         f"{unseen}{judges}the policy pays for it in something else. "
         f"Path KL to the base: {lineage.evaluation.kl_to_base:.3f} nats."]
    )  # fmt: skip


def _loading(lineage: Lineage) -> str:
    sampler, request = lineage.training_request.sampler, lineage.request
    revision = f', revision="{request.base.revision}"' if request.base.revision else ""
    base = "components/policy/tiny/weights" if lineage.base_place == str(TINY) else request.base.model
    return "\n".join(
        [
            "## Load it",
            "",
            "```python",
            "import mlflow",
            "from diffusers import DDIMScheduler, StableDiffusionPipeline",
            "",
            f'adapter = mlflow.artifacts.download_artifacts("models:/{request.model}/<version>") + "/adapter_weights"',
            f'pipe = StableDiffusionPipeline.from_pretrained("{base}"{revision})',
            "pipe.scheduler = DDIMScheduler.from_config("
            f'pipe.scheduler.config, timestep_spacing="{sampler.timestep_spacing}", clip_sample=False)',
            "pipe.load_lora_weights(adapter)",
            f"picture = pipe(prompt, num_inference_steps={sampler.steps}, guidance_scale={sampler.guidance_scale:g}, "
            f"eta={sampler.eta:g}).images[0]",
            "```",
            "",
            f'Or `mlflow.diffusers.load_model("models:/{request.model}/<version>").load_pipeline(base_model=...)`.',
        ]
    )


def _licence(lineage: Lineage) -> str:
    if lineage.base_place == str(TINY):
        terms = "The base is this project's own embedded tiny policy and shares the project's licence (Apache-2.0)."
    else:
        terms = f"The licence of `{lineage.request.base.model}` governs this adapter and its pictures: read it there."
    return f"## Licence\n\nAn adapter is a derivative of its base model. {terms}"


def _lineage(lineage: Lineage) -> str:
    rows = [f"| {key} | `{value}` |" for key, value in stands_on(lineage).items()]
    return "\n".join(["## Lineage", "", "| what | which |", "|---|---|", *rows])
