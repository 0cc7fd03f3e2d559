"""The sampling step through the store: pictures depend on what is drawn, and on nothing else."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load as load_tensors

from components.core import store
from components.core.config import SamplerConfig
from components.core.contracts import PromptsRequest, SamplingRequest, SamplingResult, StepName
from components.core.plan import evaluation_requests, iteration_requests
from components.core.records import SampleRow
from components.core.runner import run_request
from components.core.seeds import sample_seed
from tests.training.iteration import SmallRun, commit_prompts, small_run


def drawn(small: SmallRun) -> dict[str, tuple[np.ndarray, SampleRow]]:
    """Every picture of iteration 0, by sample id."""
    requests = iteration_requests(small.config, small.run, 0)
    assert isinstance(requests["prompts"], PromptsRequest)
    commit_prompts(requests["prompts"], samples_per_prompt=small.config.prompts.samples_per_prompt)
    pictures = {}
    for request in (r for r in requests.values() if isinstance(r, SamplingRequest)):
        run_request(StepName.SAMPLING, request)
        committed = store.open_committed(request.out)
        for row in committed.rows("samples.jsonl", SampleRow):
            pictures[row.sample_id] = (np.asarray(Image.open(io.BytesIO(committed.read(row.picture))), dtype=int), row)
    return pictures


def sharded(root: str, pipeline_path, shards: int, batch: int) -> SmallRun:
    small = small_run(root, pipeline_path, name=f"run-{shards}-{batch}", sampler=SamplerConfig(steps=5, batch=batch))
    prompts = small.config.prompts.model_copy(update={"shards": shards})
    return SmallRun(small.run, small.config.model_copy(update={"prompts": prompts}))


@pytest.mark.parametrize(("shards", "batch"), [(3, 8), (5, 8), (1, 5)])
def test_the_shard_count_changes_no_picture(tmp_path, pipeline_path, shards, batch):
    whole = drawn(sharded(f"file://{tmp_path}", pipeline_path, 1, 8))
    split = drawn(sharded(f"file://{tmp_path}", pipeline_path, shards, batch))
    assert list(whole) == list(split)
    assert max(np.abs(whole[name][0] - split[name][0]).max() for name in whole) <= 1


def test_a_repeat_has_the_same_bytes(store_root, pipeline_path):
    """Two runs of one config in one store: other prefixes, the same content digest of every shard."""
    digests = []
    for name in ("one", "two"):
        small = small_run(store_root, pipeline_path, name=name)
        small.draw(0)
        digests.append([store.open_committed(small.run.sampling(0, s)).manifest.content_digest for s in range(2)])
    assert digests[0] == digests[1]


def test_rows_describe_their_pictures(tmp_path, pipeline_path):
    small = small_run(f"file://{tmp_path}", pipeline_path)
    for name, (picture, row) in drawn(small).items():
        assert name == f"{row.prompt_id}-{row.index:03d}"
        assert row.picture_sha256 == hashlib.sha256(picture.astype(np.uint8).tobytes()).hexdigest()
        request = iteration_requests(small.config, small.run, 0)["sampling-00"]
        assert row.seed == sample_seed(request.seed, row.prompt_id, row.index)


def test_trajectories_hold_every_state_and_no_padding(tmp_path, pipeline_path):
    """8 samples a shard in batches of 5: two batches, the second padded by two that are not stored."""
    small = small_run(f"file://{tmp_path}", pipeline_path, sampler=SamplerConfig(steps=5, batch=5))
    request = small.draw(0)
    tensors = load_tensors(store.open_committed(request.shards[0].sampling).read("trajectories.safetensors"))
    assert tensors["latents"].shape == (8, 6, 4, 4, 4)
    assert tensors["log_probs"].shape == (8, 5)
    assert len({t.numpy().tobytes() for t in tensors["latents"]}) == 8


def test_an_evaluation_measures_the_distance_to_the_base(tmp_path, pipeline_path):
    """0 for the base, more for a trained policy; and it keeps no trajectories."""
    small = small_run(f"file://{tmp_path}", pipeline_path)
    small.play(0)
    commit_prompts(
        PromptsRequest(out=small.run.evaluation_prompts, prompts=small.config.prompts, seed=0, iteration=None),
        samples_per_prompt=2,
    )
    results = []
    for k in range(2):
        request = evaluation_requests(small.config, small.run, k)["sampling-00"]
        manifest = run_request(StepName.SAMPLING, request)
        results.append(SamplingResult.model_validate(manifest.result))
        assert not any(file.path.endswith("safetensors") for file in manifest.files)
    assert results[0].kl_to_base == 0
    assert results[1].kl_to_base > 0.01
    assert results[0].policy_id != results[1].policy_id
