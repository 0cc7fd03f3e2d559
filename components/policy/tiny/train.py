"""Train the tiny policy and its scorers from nothing.

Reads    no data: everything is drawn      Writes   OUT/weights, OUT/scorers      Needs   two cores and an hour

    python -m components.policy.tiny.train --out build/tiny                       # everything
    python -m components.policy.tiny.train --out build/tiny --stage unet          # one part, from the parts before it

Lengths are counted in steps, never in seconds, so that the same seed gives the same weights on the same machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import torch
import typer
from diffusers import AutoencoderKL

from components.policy.tiny.animals import gallery
from components.policy.tiny.saving import replacing, rounded, rounded_copy
from components.policy.tiny.train_scorers import train_captioner, train_judge
from components.policy.tiny.train_vae import train_vae

# Every part has drawings and a seed of its own; tests and measurements use seeds from 1000 on.
VAE_SEED, CAPTIONER_SEED, JUDGE_SEED, UNET_SEED, TEXT_SEED = 1, 2, 3, 4, 5
VAE_STEPS, DECODER_STEPS, CAPTIONER_STEPS, JUDGE_STEPS, UNET_STEPS, TEXT_STEPS = 10_000, 5_000, 700, 1_200, 6_500, 800
PICTURES = 24_000


class Stage(StrEnum):
    """What to train; `all` is these in order."""

    CAPTIONER = "captioner"
    JUDGE = "judge"
    TEXT = "text"
    VAE = "vae"
    UNET = "unet"
    ALL = "all"


def _captioner(out: Path, scale: float, device: str) -> None:
    pictures, subjects = gallery(PICTURES, CAPTIONER_SEED)
    steps = _steps(CAPTIONER_STEPS, scale)
    model = train_captioner(pictures, subjects, steps=steps, seed=CAPTIONER_SEED, device=device)
    with replacing(out / "scorers/captioner") as directory:
        model.save(directory)


def _judge(out: Path, scale: float, device: str) -> None:
    pictures, subjects = gallery(PICTURES, JUDGE_SEED)
    trained = train_judge(pictures, subjects, steps=_steps(JUDGE_STEPS, scale), seed=JUDGE_SEED, device=device)
    with replacing(out / "scorers/judge") as directory:
        rounded(trained.model).save_pretrained(directory)
        trained.tokenizer.save_pretrained(directory)


def _text(out: Path, scale: float, device: str) -> None:
    from components.policy.tiny.train_text_encoder import train_text_encoder

    model, tokenizer = train_text_encoder(steps=_steps(TEXT_STEPS, scale), seed=TEXT_SEED, device=device)
    with replacing(out / "scorers/text_encoder") as directory:
        rounded(model).save_pretrained(directory)
        tokenizer.save_pretrained(directory)


def _vae(out: Path, scale: float, device: str) -> None:
    pictures, _ = gallery(PICTURES, VAE_SEED)
    steps, decoder_steps = _steps(VAE_STEPS, scale), _steps(DECODER_STEPS, scale)
    model = train_vae(pictures, steps=steps, decoder_steps=decoder_steps, seed=VAE_SEED, device=device)
    with replacing(out / "vae") as directory:
        rounded(model).save_pretrained(directory)


def _unet(out: Path, scale: float, device: str) -> None:
    from components.policy.tiny.train_unet import Parts, assembled, train_unet

    autoencoder = AutoencoderKL.from_pretrained(out / "vae").to(device).eval()
    pictures, subjects = gallery(PICTURES, UNET_SEED)

    def keep(parts: Parts) -> None:
        with replacing(out / "weights") as directory:
            rounded_copy(assembled(autoencoder, parts)).save_pretrained(directory)

    train_unet(
        autoencoder, pictures, subjects, steps=_steps(UNET_STEPS, scale), seed=UNET_SEED, keep=keep, device=device
    )


TRAINERS: dict[Stage, Callable[[Path, float, str], None]] = {
    Stage.CAPTIONER: _captioner, Stage.JUDGE: _judge, Stage.TEXT: _text, Stage.VAE: _vae, Stage.UNET: _unet,
}  # fmt: skip


def _steps(steps: int, scale: float) -> int:
    return max(2, round(steps * scale))


def main(
    out: Annotated[Path, typer.Option(help="Directory to write to; made when absent.")],
    stage: Annotated[Stage, typer.Option(help="One part, or all in order.")] = Stage.ALL,
    steps_scale: Annotated[float, typer.Option(min=0.0001, help="Multiplies every number of steps.")] = 1.0,
    device: Annotated[str, typer.Option(help='Torch device: "cpu" or "cuda".')] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads of torch.")] = min(2, os.cpu_count() or 1),
) -> None:
    """Train the tiny policy and its scorers."""
    torch.set_num_threads(threads)
    for one in TRAINERS if stage is Stage.ALL else (stage,):
        begin = time.perf_counter()
        TRAINERS[one](out, steps_scale, device)
        typer.echo(f"{one}: {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    typer.run(main)
