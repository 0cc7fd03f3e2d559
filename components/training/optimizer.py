"""AdamW, and its state as a file that names every moment by its parameter."""

from __future__ import annotations

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from components.core.config import TrainingConfig
from components.core.errors import BadData

OPTIMIZER_FILE = "optimizer.safetensors"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def make_optimizer(parameters: dict[str, nn.Parameter], config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW over what is trained, in the order of their names."""
    return torch.optim.AdamW(
        [parameters[name] for name in sorted(parameters)],
        lr=config.learning_rate,
        betas=(config.adam_beta1, config.adam_beta2),
        eps=config.adam_eps,
        weight_decay=config.weight_decay,
    )


def save_optimizer(optimizer: torch.optim.AdamW, parameters: dict[str, nn.Parameter]) -> bytes:
    """Step count and both moments of every parameter: `<moment>:<parameter name>`."""
    return save_tensors(moments(optimizer, parameters))


def load_optimizer(
    optimizer: torch.optim.AdamW, parameters: dict[str, nn.Parameter], data: bytes, *, source: str
) -> None:
    """Go on from stored moments. Raises BadData if they belong to other parameters."""
    set_moments(optimizer, parameters, load_tensors(data), source=source)


def moments(optimizer: torch.optim.AdamW, parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """Step count and both moments by name, on the CPU. Empty before the first step."""
    return {
        f"{moment}:{name}": optimizer.state[parameters[name]][moment].detach().cpu().contiguous()
        for name in sorted(parameters)
        for moment in MOMENTS
        if parameters[name] in optimizer.state
    }


def set_moments(
    optimizer: torch.optim.AdamW, parameters: dict[str, nn.Parameter], tensors: dict[str, Tensor], *, source: str
) -> None:
    """Go on from these moments. Raises BadData if they belong to other parameters."""
    expected = {f"{moment}:{name}" for name in parameters for moment in MOMENTS}
    if set(tensors) != expected:
        raise BadData(f"{source} holds the moments of other parameters")
    for name, parameter in parameters.items():
        state = {moment: tensors[f"{moment}:{name}"] for moment in MOMENTS}
        moved = {moment: t if moment == "step" else t.to(parameter.device) for moment, t in state.items()}
        optimizer.state[parameter] = moved
