"""Reward-weighted regression's loss: the base's own training, on pictures that the policy drew, some counting more.

N samples · P pairs (sample, number of a noised copy) · C H W latent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from components.core.seeds import derive_seed
from components.training import loss
from components.training.evaluator import Evaluator
from components.training.pairs import Pairs


class Denoising:
    """The error of predicting the noise that was added to a finished picture, times the picture's weight.

    The prediction is guided where sampling is, as in the paper's code. Copy c of a picture has a timestep of the base's
    own training schedule and noise that are drawn from (seed, sample, c): no pass has the copies of another.
    """

    metrics: tuple[str, ...] = ("loss", "denoising_error")

    def __init__(self, evaluator: Evaluator, weight_N: Tensor, *, seed: int) -> None:
        self.evaluator, self.weight_N, self.seed = evaluator, weight_N, seed
        self.settings: dict[str, float] = {}

    def __call__(self, pairs: Pairs) -> tuple[Tensor, ...]:
        """Weighted error, and the error itself."""
        error_P = self.error(pairs)
        weight_P = self.weight_N[pairs.sample_P].to(error_P.device)
        return loss.weighted_loss(error_P, weight_P), error_P.detach().mean()

    def error(self, pairs: Pairs) -> Tensor:
        """Squared error of each pair, [P]."""
        scheduler, device = self.evaluator.policy.scheduler, self.evaluator.policy.device
        clean = self.evaluator.finished(pairs)
        timestep_P, noise_PCHW = (drawn.to(device) for drawn in self.draw(pairs))
        noised = scheduler.add_noise(clean, noise_PCHW, timestep_P)
        velocity = scheduler.config.prediction_type == "v_prediction"
        target = scheduler.get_velocity(clean, noise_PCHW, timestep_P) if velocity else noise_PCHW
        return loss.denoising_error(
            self.evaluator.predict(self.evaluator.policy.unet, noised, timestep_P, pairs), target
        )

    def draw(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Timestep [P] and noise [P, C, H, W] of each pair, on the CPU."""
        policy, timesteps, noises = self.evaluator.policy, [], []
        for sample, copy in zip(pairs.sample_P.tolist(), pairs.step_P.tolist(), strict=True):
            generator = torch.Generator().manual_seed(derive_seed("denoising", self.seed, sample, copy))
            timesteps.append(torch.randint(policy.scheduler.config.num_train_timesteps, (1,), generator=generator))
            noises.append(torch.randn(1, *policy.latent_shape, generator=generator))
        return torch.cat(timesteps), torch.cat(noises)
