"""The files of a shard, written batch by batch: what scoring sees (pictures) apart from what training sees."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from PIL import Image
from safetensors.torch import save as save_tensors
from torch import Tensor

from components.core import store
from components.core.errors import BadData
from components.core.records import PromptRow, SampleRow, dump_rows
from components.policy.rollout import Rollout

TRAJECTORIES = "trajectories.safetensors"
SAMPLES = "samples.jsonl"


@dataclass
class ShardWriter:
    """Collects rollouts and writes them below an attempt. Pictures are encoded beside the sampling."""

    out: store.Attempt
    trajectories: bool
    _rows: list[SampleRow] = field(default_factory=list)
    _latents: list[Tensor] = field(default_factory=list)
    _log_probs: list[Tensor] = field(default_factory=list)
    _encoders: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(max_workers=2))
    _pending: list[Future[None]] = field(default_factory=list)

    def add(self, prompts: list[PromptRow], seeds: list[int], drawn: Rollout) -> None:
        """Keep the first `len(prompts)` of a batch; the rest of it is padding."""
        for i, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
            if not bool(torch.isfinite(drawn.latents_BNCHW[i].float()).all()):
                raise BadData(f"the policy drew {prompt.sample_id} with NaN or infinite latents: it has diverged")
            picture = drawn.pictures[i]
            row = SampleRow(
                **prompt.model_dump(),
                seed=seed,
                picture_sha256=hashlib.sha256(picture.tobytes()).hexdigest(),
                kl_to_base=None if drawn.kl_to_base_B is None else float(drawn.kl_to_base_B[i]),
            )
            self._rows.append(row)
            self._pending.append(self._encoders.submit(self._write_picture, row.picture, picture))
        if self.trajectories:
            self._latents.append(drawn.latents_BNCHW[: len(prompts)])
            self._log_probs.append(drawn.log_probs_BT[: len(prompts)])

    def finish(self) -> list[SampleRow]:
        """Write what is left and return the rows."""
        for pending in self._pending:
            pending.result()
        self._encoders.shutdown()
        if self.trajectories:
            tensors = {"latents": torch.cat(self._latents), "log_probs": torch.cat(self._log_probs)}
            self.out.write(TRAJECTORIES, save_tensors(tensors))
        self.out.write(SAMPLES, dump_rows(self._rows))
        return self._rows

    def _write_picture(self, path: str, picture: Image.Image) -> None:
        file = io.BytesIO()
        picture.save(file, format="PNG", compress_level=1)
        self.out.write(path, file.getvalue())
