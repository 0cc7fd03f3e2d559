"""What holds for every reward with published weights: the same score alone, in a batch, in any order, and after PNG."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from components.core.config import RewardConfig
from components.core.contracts import StepName
from components.core.errors import BadRequest, MissingInput
from components.core.runner import run_request
from components.scoring.rewards import pretrained
from components.scoring.rewards.registry import find_reward
from components.scoring.scorer import Scorer, load_scorers
from tests.scoring.rewards.published import draw, head_shapes, pictures, rows
from tests.scoring.shards import commit_shard, prompts, reward_rows, scoring_request

NAMES = ("aesthetic", "clip_score", "pick_score", "hps", "image_reward")
PINNED = {
    "aesthetic": [0.0268478, 0.0572944, 0.3444751, 0.2358500],
    "clip_score": [-0.3679248, -0.5370677, 0.2531975, -0.5638040],
    "pick_score": [-36.7935670, -53.7083619, 25.3204957, -56.3820757],
    "hps": [22.9600525, -28.0214577, 3.5369895, 34.2151566],
    "image_reward": [0.4571270, -0.0902404, 0.6870483, 0.3170259],
}
"""What these weights (seeded by the tensors' names) give the four pictures. Those of `hps` and `image_reward` are the
numbers of the published code on the same checkpoints: tgxs002/HPSv2 866735e with torchvision 0.28, and
THUDM/ImageReward c1392c6 with transformers 4.30.2."""


@pytest.fixture(scope="module", params=NAMES)
def scorer(request: pytest.FixtureRequest, rewards: dict[str, RewardConfig]) -> Scorer:
    return load_scorers([rewards[request.param]])[0]


def near(numbers: list[float]) -> object:
    """Within 1e-5, of the number itself where that is beyond 1: three rewards multiply a cosine by 100."""
    return pytest.approx(numbers, rel=1e-5, abs=1e-5)


def numbers(scorer: Scorer, order: list[int]) -> list[float]:
    chosen, texts = pictures(), rows()
    scores = scorer.reward.score([chosen[i] for i in order], [texts[i] for i in order])
    return [found.reward for found in scores]


def test_scores_are_pinned(scorer: Scorer) -> None:
    assert numbers(scorer, [0, 1, 2, 3]) == near(PINNED[scorer.name])


def test_neither_the_batch_nor_the_order_has_a_say(scorer: Scorer) -> None:
    together = numbers(scorer, [0, 1, 2, 3])
    assert numbers(scorer, [3, 1, 0, 2]) == near([together[i] for i in (3, 1, 0, 2)])
    assert [numbers(scorer, [i])[0] for i in range(4)] == near(together)
    assert numbers(scorer, [0, 1, 2, 3]) == together  # and the same again, to the bit
    assert scorer.reward.score([], []) == []


def test_a_png_on_the_way_changes_nothing(scorer: Scorer) -> None:
    read = []
    for picture in pictures():
        file = io.BytesIO()
        picture.save(file, format="PNG")
        read.append(Image.open(file).convert("RGB"))
    assert [found.reward for found in scorer.reward.score(read, rows())] == numbers(scorer, [0, 1, 2, 3])


def test_a_long_prompt_is_cut_and_says_so(scorer: Scorer) -> None:
    """The CLIPs here read 16 tokens, 14 of them words; ImageReward reads 35, 33 of them words."""
    long = rows([" ".join(["cat"] * 40), "a cat"])
    scores = scorer.reward.score(pictures()[:2], long)
    cut = {"aesthetic": None, "image_reward": 42 - 35}.get(scorer.name, 42 - 16)
    assert [found.parts.get("truncated") for found in scores] == [cut, None]
    if cut:
        shorter = rows([" ".join(["cat"] * 39), "a cat"])  # what was cut off has no say
        assert scorer.reward.score(pictures()[:2], shorter)[0].reward == scores[0].reward


def test_other_weights_are_another_scorer(rewards: dict[str, RewardConfig], tmp_path: Path) -> None:
    (first,) = load_scorers([rewards["aesthetic"]])
    save_file(draw(head_shapes(12), seed=1), tmp_path / "head.safetensors")
    options = {**rewards["aesthetic"].options, "head": str(tmp_path), "head_file": "head.safetensors"}
    (other,) = load_scorers([RewardConfig(name="aesthetic", options=options)])
    assert first.description["identity"] != other.description["identity"]
    assert numbers(first, [0]) != numbers(other, [0])


@pytest.mark.parametrize("name", NAMES)
def test_without_weights_it_does_not_begin(name: str, rewards: dict[str, RewardConfig], tmp_path: Path) -> None:
    for option in rewards[name].options:
        gone = RewardConfig(name=name, options={**rewards[name].options, option: str(tmp_path / "gone")})
        with pytest.raises(MissingInput) as refused:
            load_scorers([gone])
        assert (refused.value.exit_code, "\n" in str(refused.value)) == (66, False)


@pytest.mark.parametrize("name", NAMES[1:])
def test_half_precision_is_refused_without_a_gpu(name: str, rewards: dict[str, RewardConfig]) -> None:
    half = RewardConfig(name=name, options={**rewards[name].options, "dtype": "fp16"})
    with pytest.raises(BadRequest, match=r'dtype = "fp16" needs a GPU, and there is none here \(set dtype = "fp32"\)'):
        load_scorers([half])


@pytest.mark.parametrize("name", NAMES[1:])
def test_half_precision_stays_near(
    name: str, rewards: dict[str, RewardConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU computes bfloat16 too, eight bits of it: what only a GPU is allowed runs here, and lands near."""
    monkeypatch.setattr(pretrained, "device_for", lambda precision: torch.device("cpu"))
    reward_class = find_reward(name)
    half = reward_class(reward_class.Options(**rewards[name].options, dtype="bf16"))
    found = [score.reward for score in half.score(pictures(), rows())]
    assert found == pytest.approx(PINNED[name], abs=0.05 if name in ("clip_score", "image_reward") else 5)
    assert found != near(PINNED[name])


def test_each_is_a_judge_too(rewards: dict[str, RewardConfig], file_store: str) -> None:
    """One is the reward, the others judge beside it: five rows a picture."""
    drawn = pictures()[:2]
    commit_shard(file_store, drawn)
    request = scoring_request(file_store, *rewards.values())
    run_request(StepName.SCORING, request)
    found = reward_rows(request)
    assert sorted(row.scorer for row in found) == sorted(name for name in rewards for _ in drawn)
    for name, config in rewards.items():
        expected = [s.reward for s in load_scorers([config])[0].reward.score(drawn, prompts(2))]
        assert [row.reward for row in found if row.scorer == name] == near(expected)
