"""What an update changes: the parameters of AdamW, all fp32, and how they reach the UNet that is evaluated.

Adapter       LoRA beside the frozen UNet; the parameters are the UNet's own
WholeUnet     every weight; on a 16-bit base the parameters are fp32 masters, and the UNet has them rounded
"""

from __future__ import annotations

from functools import partial
from typing import Protocol

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from components.core import store
from components.core.config import TrainingConfig
from components.core.errors import BadRequest
from components.core.policy_files import ADAPTER_FILE, UNET_FILE
from components.policy import adapter, full_weights
from components.policy.load import Policy


class Trained(Protocol):
    """The trained part of a policy."""

    parameters: dict[str, nn.Parameter]
    """What AdamW updates, by name, fp32. Their `.grad` is the gradient, summed over micro-batches."""
    file: str
    """Under which it is committed."""

    def publish(self) -> None:
        """Bring changed parameters into the UNet: after an optimiser update, and after a resume."""

    def save(self) -> bytes:
        """The file: parameters as they are now."""
        ...

    def name_in_file(self, parameter: str) -> str:
        """A parameter's key in the file."""
        ...


class Adapter:
    """LoRA: megabytes, and the base stays what it is."""

    file = ADAPTER_FILE

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self._unet = unet
        self.parameters = adapter.trainable(unet)

    def publish(self) -> None:
        """The parameters are the UNet's own."""

    def save(self) -> bytes:
        """As diffusers loads it."""
        return adapter.save_adapter(self._unet)

    def name_in_file(self, parameter: str) -> str:
        """Peft's name of the adapter is not in the file.

        >>> Adapter.name_in_file(None, "mid.to_q.lora_A.default.weight")
        'unet.mid.to_q.lora_A.weight'
        """
        return f"unet.{parameter.replace('.default.', '.')}"


class WholeUnet:
    """Every weight of the UNet, 16 bytes each in training: weight, gradient and two moments, fp32."""

    file = UNET_FILE

    def __init__(self, unet: UNet2DConditionModel, masters: dict[str, Tensor] | None = None) -> None:
        """`masters`: fp32 weights to go on from, where the UNet is coarser; None takes the UNet's own."""
        self._model = dict(sorted(unet.named_parameters()))
        for parameter in self._model.values():
            parameter.requires_grad_(True)
        self.parameters = self._model
        if any(parameter.dtype != torch.float32 for parameter in self._model.values()):
            start = masters or {name: parameter.detach() for name, parameter in self._model.items()}
            self.parameters = {
                name: nn.Parameter(start[name].to(parameter.device, torch.float32, copy=True))
                for name, parameter in self._model.items()
            }
            for name, parameter in self._model.items():
                parameter.register_post_accumulate_grad_hook(partial(_hand_over, self.parameters[name]))

    def publish(self) -> None:
        """Round the masters to the UNet's precision: the sampler of the next policy does the same."""
        if self.parameters is not self._model:
            with torch.no_grad():
                for name, parameter in self._model.items():
                    parameter.copy_(self.parameters[name])

    def save(self) -> bytes:
        """fp32, whatever the UNet computes in."""
        return full_weights.save_unet(self.parameters)

    def name_in_file(self, parameter: str) -> str:
        """Its own."""
        return parameter


def _hand_over(master: nn.Parameter, parameter: Tensor) -> None:
    """Add a 16-bit gradient to the master's in fp32, and let go of it: sums over micro-batches lose nothing."""
    assert parameter.grad is not None
    gradient = parameter.grad.float()
    master.grad = gradient if master.grad is None else master.grad + gradient
    parameter.grad = None


def make_trained(policy: Policy, config: TrainingConfig, *, seed: int, parent: str | None = None) -> Trained:
    """What a config trains, gone on from the parent's commit; an adapter on the bare base is drawn from the seed."""
    if config.trainable == "adapter":
        if parent is None:
            adapter.add_adapter(policy.unet, config.lora, seed=seed)
        elif (found := adapter.shape_of(policy.unet)) != adapter.shape(config.lora):
            raise BadRequest(
                f"{parent} has an adapter of {found}, and training.lora asks for {adapter.shape(config.lora)}",
                hint="a run goes on with the adapter that it starts from: set training.lora to it",
            )
        return Adapter(policy.unet)
    if parent is None or policy.unet.dtype == torch.float32:
        return WholeUnet(policy.unet)
    data = store.open_committed(parent).read(UNET_FILE)
    return WholeUnet(policy.unet, full_weights.read_masters(policy.unet, data, source=f"{parent}/{UNET_FILE}"))
