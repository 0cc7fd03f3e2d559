"""Measure the tiny policy: what its scorers see in its reconstructions and in its samples.

Reads    weights/, scorers/      Writes   measured.json, a contact sheet if asked      Needs   minutes on two cores

    python -m components.policy.tiny.measure --sheet /tmp/sheet.png
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

from components.policy.tiny.activities import ACTIVITIES, HELD_OUT_ACTIVITIES, TRAINING_ACTIVITIES
from components.policy.tiny.animals import ANIMALS, HELD_OUT_ANIMALS, TRAINING_ANIMALS, Subject, gallery
from components.policy.tiny.captioner import NO_ACTIVITY, Captioner
from components.policy.tiny.captions import caption
from components.policy.tiny.judge import Judge
from components.policy.tiny.pixels import from_array, to_pictures
from components.policy.tiny.sheet import contact_sheet
from components.policy.tiny.train_vae import psnr, reconstructed

HERE = Path(__file__).parent
FRESH_SEED = 1000  # no part was trained on drawings from this seed
GUIDANCE = 3.0
CELLS = [(steps, spacing) for steps in (5, 8, 10) for spacing in ("leading", "trailing")]


class Bench:
    """Everything that is measured, loaded once."""

    def __init__(self, directory: Path = HERE) -> None:
        self.pipeline = StableDiffusionPipeline.from_pretrained(directory / "weights", safety_checker=None)
        self.pipeline.set_progress_bar_config(disable=True)
        self.captioner = Captioner.load(directory / "scorers/captioner")
        self.judge = Judge.load(directory / "scorers/judge")

    def sample(
        self, subjects: Sequence[Subject], *, steps: int, spacing: str, eta: float = 1.0, guidance: float = GUIDANCE,
        seed: int = 0,
    ) -> list[Image.Image]:  # fmt: skip
        """One picture per subject, each from a generator of its own."""
        self.pipeline.scheduler = DDIMScheduler.from_config(self.pipeline.scheduler.config, timestep_spacing=spacing)
        pictures: list[Image.Image] = []
        for start in range(0, len(subjects), 64):
            part = subjects[start : start + 64]
            generators = [torch.Generator().manual_seed(100_000 * seed + start + index) for index in range(len(part))]
            pictures += self.pipeline(
                [caption(subject) for subject in part], num_inference_steps=steps, guidance_scale=guidance, eta=eta,
                generator=generators,
            ).images  # fmt: skip
        return pictures

    def score(self, pictures: Sequence[Image.Image], subjects: Sequence[Subject]) -> dict[str, float]:
        """Shares of pictures where judge and captioner are right."""
        named = np.array(self.judge.names_animal(pictures))
        animal, activity = (p.argmax(-1) for p in self.captioner.probabilities(pictures))
        wanted = np.array([s.animal for s in subjects])
        doing = np.array([s.activity or NO_ACTIVITY for s in subjects])
        return {
            "judge_animal": _share(named == wanted),
            "captioner_animal": _share(np.array(self.captioner.animals)[animal] == wanted),
            "captioner_activity": _share(np.array(self.captioner.activities)[activity] == doing),
        }

    def certainty(self, pictures: Sequence[Image.Image], subjects: Sequence[Subject]) -> dict[str, float]:
        """Mean probabilities of what was asked for; the judge's sees a loss long before its answers change."""
        animal, activity = self.captioner.probabilities(pictures)
        rows = np.arange(len(subjects))
        wanted = [self.captioner.animals.index(s.animal) for s in subjects]
        doing = [self.captioner.activities.index(s.activity or NO_ACTIVITY) for s in subjects]
        return {
            "judge_p_animal": _share(self.judge.probability(pictures, [s.animal for s in subjects])),
            "captioner_p_animal": _share(animal[rows, wanted]),
            "captioner_p_activity": _share(activity[rows, doing]),
        }


def _share(right: np.ndarray) -> float:
    return round(float(right.mean()), 4)


def on_drawings(bench: Bench, count: int = 600) -> dict[str, Any]:
    """The scorers on fresh drawings and on what the autoencoder makes of them."""
    drawn, subjects = gallery(count, FRESH_SEED)
    again = reconstructed(bench.pipeline.vae, drawn)
    return {
        "pictures": count,
        "psnr_dB": round(psnr(again, from_array(drawn)), 2),
        "drawings": bench.score(to_pictures(from_array(drawn)), subjects),
        "reconstructions": bench.score(to_pictures(again), subjects),
    }


def on_animals(bench: Bench, repeats: int) -> dict[str, Any]:
    """Every animal alone, at each sampler setting."""
    subjects = [Subject(animal) for animal in ANIMALS] * repeats
    cells = [(steps, spacing, 1.0) for steps, spacing in CELLS] + [(20, "leading", 0.0)]
    table = {}
    for steps, spacing, eta in cells:
        pictures = bench.sample(subjects, steps=steps, spacing=spacing, eta=eta, seed=FRESH_SEED)
        named = np.array(bench.judge.names_animal(pictures))
        right = named == np.array([s.animal for s in subjects])
        row: dict[str, Any] = bench.score(pictures, subjects) | bench.certainty(pictures, subjects)
        row |= {"standard_error": round(math.sqrt(right.var() / len(right)), 4)}
        row["judge_training_animals"] = _share(right[[s.animal in TRAINING_ANIMALS for s in subjects]])
        row["judge_held_out_animals"] = _share(right[[s.animal in HELD_OUT_ANIMALS for s in subjects]])
        by_animal = {animal: right[index :: len(ANIMALS)].mean() for index, animal in enumerate(ANIMALS)}
        row["below_half"] = [animal for animal, share in by_animal.items() if share < 0.5]
        table[f"T={steps} {spacing} eta={eta:g}"] = row
        typer.echo(f"T={steps:2} {spacing:8} eta={eta:g} {row}")
    return {"pictures_per_cell": len(subjects), "guidance": GUIDANCE, "cells": table}


def on_activities(bench: Bench) -> dict[str, Any]:
    """Every animal with two activities of each split, at several guidances: the room that alignment has to improve."""
    table = {}
    for guidance, steps, spacing in (
        (1.0, 5, "trailing"),
        (2.0, 5, "trailing"),
        (3.0, 5, "trailing"),
        (3.0, 10, "leading"),
    ):
        for split, activities in (("training", TRAINING_ACTIVITIES), ("held_out", HELD_OUT_ACTIVITIES)):
            subjects = [Subject(a, activities[(i + j) % 3]) for j in range(2) for i, a in enumerate(ANIMALS)]
            pictures = bench.sample(subjects, steps=steps, spacing=spacing, guidance=guidance, seed=FRESH_SEED + 1)
            name = f"guidance={guidance:g} T={steps} {spacing} {split}"
            table[name] = bench.score(pictures, subjects) | bench.certainty(pictures, subjects)
            typer.echo(f"{name} {table[name]}")
    return table


def draw_sheet(bench: Bench, path: Path, steps: int, spacing: str) -> None:
    """All animals alone, then two rows with activities."""
    subjects = [Subject(animal) for animal in ANIMALS]
    subjects += [Subject(ANIMALS[(5 * i) % 60 + i // 12], ACTIVITIES[i % 6]) for i in range(24)]
    pictures = bench.sample(subjects, steps=steps, spacing=spacing, seed=FRESH_SEED)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet(pictures, [caption(s).split(" ", 1)[1] for s in subjects])
    sheet.quantize(256).save(path, optimize=True)  # a palette: a third of the size, and no difference to the eye


def main(
    directory: Annotated[Path, typer.Option(help="Where weights/ and scorers/ are.")] = HERE,
    repeats: Annotated[int, typer.Option(min=1, help="Pictures per animal and sampler setting.")] = 4,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet here.")] = None,
    sheet_steps: Annotated[int, typer.Option(help="Sampling steps of the contact sheet.")] = 10,
    sheet_spacing: Annotated[str, typer.Option(help='Its timestep spacing: "leading" or "trailing".')] = "trailing",
    sheet_only: Annotated[bool, typer.Option(help="Draw the sheet and measure nothing.")] = False,
) -> None:
    """Measure the tiny policy and write measured.json beside its weights."""
    bench = Bench(directory)
    if sheet:
        draw_sheet(bench, sheet, sheet_steps, sheet_spacing)
    if sheet_only:
        return
    measured = {"drawn": on_drawings(bench), "animals": on_animals(bench, repeats), "activities": on_activities(bench)}
    typer.echo(str(measured["drawn"]))
    (directory / "measured.json").write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
