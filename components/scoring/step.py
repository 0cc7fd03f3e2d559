"""Score the pictures of one shard.

Reads    samples.jsonl and pictures/*.png of a committed shard; never its trajectories
Writes   rewards.jsonl, one row for each picture and scorer; scorers.json, who they are; COMMITTED.json last
Needs    what its scorers need: the JPEG rewards nothing, the embedded captioner and judge a CPU; DDPO_SCORE_CACHE, if
         set, is a directory with scores that were had before
"""

from __future__ import annotations

from tqdm import tqdm

from components.core import store
from components.core.contracts import ScoringRequest, ScoringResult, canonical_json
from components.core.errors import BadRequest, Unavailable
from components.core.records import RewardRow, SampleRow, dump_rows, too_many_missing
from components.scoring import score_cache
from components.scoring.pictures import read_pictures
from components.scoring.scorer import load_scorers, refuse_paid_judges

BATCH = 64
"""Pictures that a scorer sees at once."""


def run(request: ScoringRequest, out: store.Attempt) -> ScoringResult:
    """Let every scorer see every picture. The first scorer's rewards are trained on; the others only judge."""
    if not request.scorers:
        raise BadRequest("no scorer is asked for")
    scorers = load_scorers(request.scorers)
    refuse_paid_judges(scorers[0], scorers[1:])
    cache = score_cache.from_environment()
    shard = store.open_committed(request.sampling)
    samples = shard.rows("samples.jsonl", SampleRow)

    rows: dict[str, list[RewardRow]] = {scorer.name: [] for scorer in scorers}
    with tqdm(total=len(samples) * len(scorers), desc="scoring", unit="picture", disable=None) as progress:
        for batch, pictures in read_pictures(shard, samples, BATCH):
            for scorer in scorers:
                rows[scorer.name] += scorer.rows(batch, pictures, cache)
                progress.update(len(batch))

    missing = refuse_if_away(rows[scorers[0].name])
    out.write("rewards.jsonl", dump_rows(row for scorer in scorers for row in rows[scorer.name]))
    out.write("scorers.json", canonical_json({scorer.id: scorer.description for scorer in scorers}) + b"\n")
    return ScoringResult(
        scorer_ids={scorer.name: scorer.id for scorer in scorers}, scored=len(samples) - missing, missing=missing
    )


def refuse_if_away(rows: list[RewardRow]) -> int:
    """Rows without a reward. Raises Unavailable if they are more than 5 %: the step is tried again."""
    errors = [row.error for row in rows if row.reward is None]
    if too_many_missing(len(errors), len(rows)):
        raise Unavailable(
            f"{len(errors)} of {len(rows)} rewards of {rows[0].scorer} are missing, and at most 5 % may be: {errors[0]}"
        )
    return len(errors)
