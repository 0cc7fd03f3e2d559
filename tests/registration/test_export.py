"""An exported policy draws what it drew here, in stock diffusers; and nothing is written that does not."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from components.core import campaign, store
from components.core.errors import BadData, BadRequest, Conflict
from components.core.policy_files import ADAPTER_FILE
from components.registration import export, merging
from tests.core.campaigns import panel
from tests.registration.registering import predict


def draw(pipe: StableDiffusionPipeline, prompt: str) -> np.ndarray:
    generator = torch.Generator().manual_seed(5)
    picture = pipe(prompt, num_inference_steps=10, guidance_scale=3, eta=0.0, generator=generator).images[0]
    return np.asarray(picture, dtype=int)


def test_the_adapter_is_written_with_its_card_and_panel(synthetic, tmp_path, adapted):
    out = export.export(synthetic.run.uri, tmp_path / "out", policy=2)
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "panel.png", ADAPTER_FILE]
    assert (out / "panel.png").read_bytes() == panel(2)
    trained = store.open_committed(synthetic.run.training(1))
    assert (out / ADAPTER_FILE).read_bytes() == trained.read(ADAPTER_FILE)
    code = (out / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    names = {"prompt": "a cat"}
    exec(code.replace("<this directory>", str(out)), names)
    assert names["picture"].size == (16, 16)
    assert (predict(names["pipe"].unet) - predict(adapted)).abs().max() <= 1e-6


def test_merged_is_one_pipeline_that_draws_the_same(synthetic, base, tmp_path, caplog):
    caplog.set_level(logging.INFO, "components.registration")
    adapter = export.export(synthetic.run.uri, tmp_path / "adapter", policy=2)
    merged = export.export(synthetic.run.uri, tmp_path / "merged", policy=2, merged=True)
    assert "differ by 0.0" in caplog.text
    pipe = StableDiffusionPipeline.from_pretrained(base)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
    bare = draw(pipe, "a cat")
    pipe.load_lora_weights(adapter)
    beside = draw(pipe, "a cat")
    code = (merged / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    names = {"prompt": "a cat"}
    exec(code.replace("<this directory>", str(merged)), names)
    assert not any("lora" in name for name, _ in names["pipe"].unet.named_parameters())
    assert np.abs(draw(names["pipe"], "a cat") - beside).max() <= 1
    assert np.abs(bare - beside).max() > 10  # and the adapter does something


def test_a_merge_that_draws_something_else_is_refused(synthetic, tmp_path, monkeypatch):
    """As if the adapter had been added at another scale."""
    fuse = StableDiffusionPipeline.fuse_lora
    monkeypatch.setattr(StableDiffusionPipeline, "fuse_lora", lambda self: fuse(self, lora_scale=1.3))
    with pytest.raises(BadData, match=r"differ by .* of 255 on average .*: 0.1 and 8 are allowed"):
        export.export(synthetic.run.uri, tmp_path / "out", policy=2, merged=True)
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_the_tolerance_by_hand():
    """4 pictures of 2 x 2 x 3: 48 values; 4 of them off by 1 are 0.083 on average, 5 are 0.104."""
    before = np.zeros((4, 2, 2, 3), dtype=int)
    for off, fits in ((4, True), (5, False)):
        after = before.copy()
        after.reshape(-1)[:off] = 1
        if fits:
            merging.require_equal(before, after)
        else:
            with pytest.raises(BadData, match=r"by 0\.104 of 255"):
                merging.require_equal(before, after)


def test_what_is_there_is_not_overwritten(synthetic, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    export.export(synthetic.run.uri, out, policy=2)  # an empty directory is fine
    with pytest.raises(Conflict, match="is there already, and not empty"):
        export.export(synthetic.run.uri, out, policy=2)
    (tmp_path / "file").write_text("x")
    with pytest.raises(Conflict):
        export.export(synthetic.run.uri, tmp_path / "file", policy=2)


def test_the_policy_is_the_best_or_the_one_that_is_named(synthetic, tmp_path, monkeypatch):
    """Policy 2 was evaluated, policy 1 was not; 0 and 3 are none to export, and 0 is best where no guard looked."""
    with pytest.raises(BadRequest, match="what it falls back to where no policy is fit; name one with --policy"):
        export.export(synthetic.run.uri, tmp_path / "best")
    monkeypatch.setattr(campaign, "best_policy", lambda state: 2)
    assert "policy 2 of" in (export.export(synthetic.run.uri, tmp_path / "best") / "README.md").read_text()
    named = export.export(synthetic.run.uri, tmp_path / "one", policy=1)
    assert "policy 1 of" in (named / "README.md").read_text()
    assert "was not evaluated" in (named / "README.md").read_text()
    assert not (named / "panel.png").exists()
    for policy in (0, 3):
        with pytest.raises(BadRequest, match=f"has policies 1 to 2 to export, not {policy}"):
            export.export(synthetic.run.uri, tmp_path / "none", policy=policy)


def test_the_command_says_one_line_and_an_exit_code(synthetic, tmp_path):
    command = [sys.executable, "-m", "components.registration.export", f"--run={synthetic.run.uri}", "--policy=2"]
    good = subprocess.run([*command, f"--out={tmp_path / 'out'}"], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout) == (0, f"{tmp_path / 'out'}\n")
    assert good.stderr.startswith("policy 2 of synthetic, policy-2")
    again = subprocess.run([*command, f"--out={tmp_path / 'out'}"], capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr.count("\n")) == (73, 1)
    assert subprocess.run(command, capture_output=True, check=False).returncode == 64


def test_a_whole_unet_is_always_a_pipeline(whole, tmp_path, adapted):
    """There is no adapter to write: what stock diffusers loads predicts what the trained UNet predicts."""
    out = export.export(whole.run.uri, tmp_path / "out", policy=2)
    card = (out / "README.md").read_text()
    assert "The UNet of `" in card
    assert "(every weight), fine-tuned by DDPO-IS" in card
    assert "lora" not in card.partition("## Lineage")[0].lower()
    names = {"prompt": "a cat"}
    exec(card.partition("```python\n")[2].partition("```")[0].replace("<this directory>", str(out)), names)
    assert (predict(names["pipe"].unet) - predict(adapted)).abs().max() <= 1e-5
