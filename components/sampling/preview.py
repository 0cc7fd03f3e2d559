"""Draw pictures from a policy, for people: `ddpo sample RUN --prompt "a cat"`. Writes PNG files, commits nothing."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image

from components.core import campaign
from components.core.errors import BadRequest, StepError
from components.core.layout import RunLayout
from components.core.plan import policy_ref
from components.core.seeds import sample_seed
from components.policy.load import load_policy
from components.policy.rollout import rollout
from components.sampling.batches import padded_batches


def preview(run_uri: str, prompt: str, *, policy: int | None, count: int, seed: int, out: Path) -> list[Path]:
    """Draw `count` pictures of a prompt from policy k (the newest by default) with the run's own sampler."""
    state = campaign.load(RunLayout(run_uri))
    k = state.next_iteration if policy is None else policy
    if not 0 <= k <= state.next_iteration:
        raise BadRequest(f"run {state.run.run_id} has policies 0 to {state.next_iteration}, not {k}")
    loaded = load_policy(policy_ref(state.config, state.run, k), folded=True)
    out.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for batch, real in padded_batches([sample_seed(seed, prompt, i) for i in range(count)], state.config.sampler.batch):
        for picture in rollout(loaded, [prompt] * len(batch), batch, state.config.sampler).pictures[:real]:
            paths.append(out / f"policy-{k:04d}-{len(paths):02d}.png")
            _enlarge(picture).save(paths[-1])
    return paths


def _enlarge(picture: Image.Image) -> Image.Image:
    """At least 256 px high, so that a tiny policy's picture can be seen."""
    factor = max(1, 256 // picture.height)
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC)


def main() -> int:
    """Command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="python -m components.sampling.preview", description=__doc__)
    parser.add_argument("--run", required=True, help="URI of the run")
    parser.add_argument("--prompt", required=True, help="text to draw")
    parser.add_argument("--policy", type=int, help="number of the policy; 0 is the start, default the newest")
    parser.add_argument("--count", type=int, default=4, help="pictures to draw")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other pictures")
    parser.add_argument("--out", type=Path, default=Path("samples"), help="directory for the PNG files")
    a = parser.parse_args()
    try:
        for path in preview(a.run, a.prompt, policy=a.policy, count=a.count, seed=a.seed, out=a.out):
            print(path)
    except StepError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
