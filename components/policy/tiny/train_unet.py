"""Train the UNet and the text encoder together on cached latents.

Reads    drawn pictures, uint8, their subjects, and a trained autoencoder      Writes   nothing: returns the models
Needs    twenty minutes on two cores

The captions are unreliable on purpose: a quarter of the activities go unmentioned and some animals alone are said to do
something. The model learns the animal well and the activity in part, as Stable Diffusion does, and so leaves
reinforcement learning something to improve.
"""

# B pictures · C latent channels · H W latent pixels · U unique captions
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch.nn import functional
from tqdm import tqdm
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from components.policy.tiny.activities import ACTIVITIES
from components.policy.tiny.animals import Subject
from components.policy.tiny.captions import caption
from components.policy.tiny.optimising import Average, adamw
from components.policy.tiny.tokenizer import MAX_TOKENS, clip_tokenizer
from components.policy.tiny.train_vae import latents_of

BATCH = 32
LEARNING_RATE = 1.5e-3
TEXT_WIDTH = 64
EMPTY, UNMENTIONED, INVENTED = 0.1, 0.25, 0.2  # shares of captions: none at all, activity left out, activity not there


def untrained_unet(channels: int) -> UNet2DConditionModel:
    """Two levels, 8x8 and 4x4, with cross-attention at both (2.4 M parameters)."""
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=1,
        block_out_channels=(48, 96),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=2,  # diffusers' name for the number of heads
        norm_num_groups=8,
    )


def untrained_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Two layers, 64 wide (0.1 M parameters)."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=TEXT_WIDTH, intermediate_size=128, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=MAX_TOKENS, projection_dim=TEXT_WIDTH,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's own noise schedule, so that every known number about its steps holds here too."""
    return DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, num_train_timesteps=1000,
        clip_sample=False, set_alpha_to_one=False, steps_offset=1, prediction_type="epsilon",
    )  # fmt: skip


def unreliable_caption(subject: Subject, rng: np.random.Generator) -> str:
    """A caption as the base model hears it: sometimes empty, sometimes wrong about the activity."""
    empty, said = rng.random(2)
    if empty < EMPTY:
        return ""
    if subject.activity is None and said < INVENTED:
        return caption(Subject(subject.animal, ACTIVITIES[rng.integers(len(ACTIVITIES))]))
    if subject.activity is not None and said < UNMENTIONED:
        return caption(Subject(subject.animal))
    return caption(subject)


Parts = tuple[UNet2DConditionModel, CLIPTextModel, CLIPTokenizer]


def train_unet(
    vae: AutoencoderKL, pictures: np.ndarray, subjects: Sequence[Subject], *, steps: int, seed: int,
    keep: Callable[[Parts], None], device: str = "cpu",
) -> None:  # fmt: skip
    """The ordinary noise-prediction loss. `keep` gets the averaged weights after each quarter, and at the end."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    latents_NCHW = latents_of(vae, pictures) * vae.config.scaling_factor
    tokenizer = clip_tokenizer()
    unet = untrained_unet(vae.config.latent_channels).to(device).train()
    text_encoder = untrained_text_encoder(tokenizer).to(device).train()
    alphas_T = scheduler().alphas_cumprod.to(device)
    trained = [*unet.parameters(), *text_encoder.parameters()]
    optimiser, schedule = adamw(trained, steps, LEARNING_RATE)
    average = Average([unet, text_encoder])
    bar, recent = tqdm(range(steps), desc="unet", mininterval=5), 1.0
    for step in bar:
        rows = rng.integers(len(subjects), size=BATCH)
        x0_BCHW = latents_NCHW[rows].to(device)
        texts = [unreliable_caption(subjects[row], rng) for row in rows]
        unique, inverse = np.unique(texts, return_inverse=True)
        tokens = tokenizer(unique.tolist(), padding="max_length", truncation=True, return_tensors="pt").input_ids
        heard = text_encoder(tokens.to(device)).last_hidden_state[torch.from_numpy(inverse).to(device)]

        timestep_B = torch.randint(0, len(alphas_T), (BATCH,), device=device)
        alpha_B111 = alphas_T[timestep_B][:, None, None, None]
        noise_BCHW = torch.randn_like(x0_BCHW)
        noisy_BCHW = alpha_B111.sqrt() * x0_BCHW + (1 - alpha_B111).sqrt() * noise_BCHW
        loss = functional.mse_loss(unet(noisy_BCHW, timestep_B, heard).sample, noise_BCHW)

        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        average.update()
        recent += 0.02 * (loss.item() - recent)
        bar.set_postfix(loss=f"{recent:.4f}", refresh=False)
        if (step + 1) % max(1, steps // 4) == 0 or step + 1 == steps:
            with average.applied():
                keep((unet, text_encoder, tokenizer))


def assembled(vae: AutoencoderKL, parts: Parts) -> StableDiffusionPipeline:
    """An ordinary Stable Diffusion pipeline, without a safety checker: it can draw nothing but these animals."""
    unet, text_encoder, tokenizer = parts
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
