"""A plan is a pure function of the config: nobody's clock, host or shard count changes what is drawn."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core import plan
from components.core.config import RunConfig, parse_config
from components.core.contracts import (
    EvaluationRequest,
    Request,
    SamplingRequest,
    ScoringRequest,
    TrainingRequest,
)
from components.core.errors import BadRequest
from components.core.layout import BASE, CHAMPION, RunLayout, policy_name
from components.core.seeds import derive_seed, evaluation_seed, iteration_seed, sample_seed

RUN = RunLayout("s3://bucket/store/runs/a")
PLACES = ("shards/00", "shards/01", "deployed")
"""Where the pictures of an evaluation of two shards lie."""
NAMES = re.compile(r"prompts|sampling-\d\d|scoring-\d\d|training|evaluation")


def config_of(**keys: object) -> RunConfig:
    return parse_config(keys)


configs = st.builds(
    lambda seed, prompts, samples, shards: config_of(
        seed=seed, prompts={"prompts": prompts, "samples_per_prompt": samples, "shards": shards}
    ),
    seed=st.integers(0, 2**31 - 1),
    prompts=st.integers(4, 64),
    samples=st.integers(2, 8),
    shards=st.integers(1, 8),
)


def digests(requests: dict[str, Request]) -> dict[str, str]:
    return {name: request.digest() for name, request in requests.items()}


@settings(max_examples=40, deadline=None)
@given(config=configs, k=st.integers(0, 500))
def test_the_same_config_asks_for_the_same(config: RunConfig, k: int) -> None:
    again = RunConfig.model_validate_json(config.model_dump_json())
    assert digests(plan.iteration_requests(config, RUN, k)) == digests(plan.iteration_requests(again, RUN, k))
    assert digests(plan.evaluation_requests(config, RUN, k)) == digests(plan.evaluation_requests(again, RUN, k))


@settings(max_examples=40, deadline=None)
@given(config=configs, k=st.integers(0, 500), shards=st.integers(1, 8))
def test_the_number_of_shards_changes_no_seed(config: RunConfig, k: int, shards: int) -> None:
    split_otherwise = parse_config(
        {**config.model_dump(), "prompts": {**config.prompts.model_dump(), "shards": shards}}
    )

    def seeds(config: RunConfig) -> set[int]:
        requests = plan.iteration_requests(config, RUN, k).values()
        return {request.seed for request in requests if isinstance(request, SamplingRequest)}

    assert seeds(config) == seeds(split_otherwise)
    assert len(seeds(config)) == 1


@settings(max_examples=40, deadline=None)
@given(config=configs, k=st.integers(0, 500))
def test_every_request_of_a_plan_has_its_own_prefix_below_the_run(config: RunConfig, k: int) -> None:
    requests = plan.iteration_requests(config, RUN, k) | plan.evaluation_requests(config, RUN, k)
    assert all(request.out.startswith(f"{RUN.uri}/") for request in requests.values())
    everything = [*plan.iteration_requests(config, RUN, k).values(), *plan.evaluation_requests(config, RUN, k).values()]
    assert len({request.out for request in everything}) == len(everything)
    assert all(NAMES.fullmatch(name) for name in requests)


def test_the_digests_of_the_default_plan_do_not_drift() -> None:
    """A change makes every run in flight a conflict with itself: make it knowingly, and say so in the changelog."""
    requests = plan.iteration_requests(config_of(prompts={"shards": 1}), RUN, 1)
    assert {name: digest[:16] for name, digest in digests(requests).items()} == {
        "prompts": "1d2b88ff067e08f1",
        "sampling-00": "efd6669cf0b6ea9e",
        "scoring-00": "fb8df8cc28e84372",
        "training": "7c8af780a225e758",
    }


def test_policy_k_is_what_iteration_k_minus_1_trained() -> None:
    config = config_of()
    for k in (1, 2, 17):
        assert plan.policy_ref(config, RUN, k).adapter == RUN.training(k - 1)
    assert plan.policy_ref(config, RUN, 0).adapter is None
    warm = config_of(start_adapter="s3://bucket/store/runs/z/iterations/0009/training")
    assert plan.policy_ref(warm, RUN, 0).adapter == warm.start_adapter


def test_training_reads_its_own_iterations_shards_and_the_rewards_of_earlier_ones() -> None:
    requests = plan.iteration_requests(config_of(), RUN, 2)
    training = requests["training"]
    assert isinstance(training, TrainingRequest)
    assert [shard.sampling for shard in training.shards] == [RUN.sampling(2, 0), RUN.sampling(2, 1)]
    assert [shard.scoring for shard in training.shards] == [RUN.scoring(2, 0), RUN.scoring(2, 1)]
    assert list(training.history) == [RUN.scoring(k, s) for k in (0, 1) for s in (0, 1)]
    assert training.policy == plan.policy_ref(config_of(), RUN, 2)


def test_a_history_is_bounded_and_a_group_advantage_only_sees_that_the_scorer_is_the_same() -> None:
    training = plan.iteration_requests(config_of(), RUN, 1000)["training"]
    assert isinstance(training, TrainingRequest)
    assert len(training.history) == 2 * 128  # shards; a buffer of 32 at 4 an iteration, on a list of 16 rounds
    assert training.history[-1] == RUN.scoring(999, 1)
    grouped = config_of(training={"advantage": {"kind": "group"}})
    training = plan.iteration_requests(grouped, RUN, 1000)["training"]
    assert isinstance(training, TrainingRequest)
    assert list(training.history) == [RUN.scoring(999, s) for s in (0, 1)]
    first = plan.iteration_requests(grouped, RUN, 0)["training"]
    assert isinstance(first, TrainingRequest)
    assert first.history == ()


def test_only_the_first_iteration_starts_with_a_fresh_optimiser() -> None:
    fresh = []
    for k in range(3):
        training = plan.iteration_requests(config_of(), RUN, k)["training"]
        assert isinstance(training, TrainingRequest)
        fresh.append(training.fresh_optimizer)
    assert fresh == [True, False, False]


def test_every_policy_meets_the_same_evaluation_noise_whatever_the_run() -> None:
    other_run, other_config = RunLayout("file:///elsewhere/runs/b"), config_of(seed=99, reward={"name": "aesthetic"})
    seeds = {
        request.seed
        for config, run in ((config_of(), RUN), (other_config, other_run))
        for k in (0, 10, 30)
        for request in plan.evaluation_requests(config, run, k).values()
        if isinstance(request, SamplingRequest)
    }
    assert seeds == {evaluation_seed("tiny-v1")}


def test_judges_score_evaluations_and_never_the_training() -> None:
    config = config_of(evaluation={"judges": [{"name": "judge"}]})
    trained = plan.iteration_requests(config, RUN, 0)["scoring-00"]
    judged = plan.evaluation_requests(config, RUN, 0)["scoring-00"]
    assert isinstance(trained, ScoringRequest)
    assert isinstance(judged, ScoringRequest)
    assert [scorer.name for scorer in trained.scorers] == ["jpeg_incompressibility"]
    assert [scorer.name for scorer in judged.scorers] == ["jpeg_incompressibility", "judge"]


def drawn(requests: dict[str, Request]) -> list[str]:
    """Where each sampling of an evaluation lies, below `evaluations/`."""
    found = (request.out for request in requests.values() if isinstance(request, SamplingRequest))
    return [out.removeprefix(f"{RUN.uri}/evaluations/").removesuffix("/sampling") for out in found]


def test_a_run_from_a_champion_also_draws_the_bare_base_and_only_once() -> None:
    warm = config_of(start_adapter="s3://bucket/champion/training")
    first = plan.evaluation_requests(warm, RUN, 0, champion=warm.start_adapter)
    later = plan.evaluation_requests(warm, RUN, 10, champion=warm.start_adapter)
    assert drawn(first) == [f"{name}/{place}" for name in ("base", "policy-0000") for place in PLACES]
    assert drawn(later) == [f"policy-0010/{place}" for place in PLACES]
    for requests in (first, later):
        report = requests["evaluation"]
        assert isinstance(report, EvaluationRequest)
        assert report.base.shards[0].sampling == RUN.evaluation_sampling(BASE, 0)
        assert report.start.shards[0].sampling == RUN.evaluation_sampling(policy_name(0), 0)
        assert report.champion == report.start


def test_a_champion_that_is_not_the_start_is_drawn_afresh() -> None:
    champion = "s3://bucket/other/training"
    cold = plan.evaluation_requests(config_of(), RUN, 0, champion=champion)
    assert drawn(cold) == [f"{name}/{place}" for name in ("champion", "policy-0000") for place in PLACES]
    report = cold["evaluation"]
    assert isinstance(report, EvaluationRequest)
    assert report.base == report.start
    assert report.champion is not None
    assert report.champion.shards[0].sampling == RUN.evaluation_sampling(CHAMPION, 0)
    sampling = cold["sampling-00"]
    assert isinstance(sampling, SamplingRequest)
    assert sampling.policy.adapter == champion
    without = plan.evaluation_requests(config_of(), RUN, 0)["evaluation"]
    assert isinstance(without, EvaluationRequest)
    assert without.champion is None


def test_the_sampler_that_ships_draws_fewer_of_the_same_pictures_without_noise() -> None:
    config = config_of(evaluation={"seeds": 4, "deployed_seeds": 2})
    requests = plan.evaluation_requests(config, RUN, 10)
    trained, deployed = requests["sampling-00"], requests["sampling-02"]
    assert isinstance(trained, SamplingRequest)
    assert isinstance(deployed, SamplingRequest)
    assert (trained.sampler.eta, trained.seeds, trained.kl_to_base) == (1.0, None, True)
    assert (deployed.sampler.eta, deployed.seeds, deployed.kl_to_base) == (0.0, 2, False)
    assert deployed.seed == trained.seed
    assert deployed.sampler.model_copy(update={"eta": 1.0}) == trained.sampler
    assert drawn(plan.evaluation_requests(config_of(evaluation={"deployed_seeds": 0}), RUN, 10)) == [
        f"policy-0010/{place}" for place in PLACES[:2]
    ]


def test_what_was_spent_before_a_warm_start_counts_for_its_policies() -> None:
    config = config_of(prompts={"prompts": 4, "samples_per_prompt": 4})
    for k, spent in ((0, 1000), (10, 1160)):
        report = plan.evaluation_requests(config, RUN, k, start_queries=1000)["evaluation"]
        assert isinstance(report, EvaluationRequest)
        assert report.lifetime_queries == spent


def test_painted_words_are_masked_for_the_reward_of_the_run() -> None:
    config = config_of(reward={"name": "jpeg_compressibility"}, evaluation={"probes": [{"name": "text_masked"}]})
    probe = plan.scorers(config)[-1]
    assert probe.options == {"reward": {"name": "jpeg_compressibility", "options": {}}}


def test_the_guard_lowers_the_learning_rate_and_nothing_else() -> None:
    whole, half = (plan.iteration_requests(config_of(), RUN, 3, rate=rate)["training"] for rate in (1.0, 0.5))
    assert isinstance(whole, TrainingRequest)
    assert isinstance(half, TrainingRequest)
    assert half.training.learning_rate == whole.training.learning_rate / 2
    same = half.training.model_copy(update={"learning_rate": whole.training.learning_rate})
    assert half.model_copy(update={"training": same}) == whole


def test_the_prompts_of_a_users_file_are_those_that_the_run_was_opened_with() -> None:
    files = {
        train: plan.iteration_requests(config_of(prompts={"train": train}), RUN, 0)["prompts"]
        for train in ("simple-animals-v1", "mine.txt", "s3://bucket/mine")
    }
    assert [getattr(request, "file", "") for request in files.values()] == [None, RUN.uri, RUN.uri]


@pytest.mark.parametrize(("k", "due"), [(0, True), (1, False), (10, True), (25, True), (20, True), (24, False)])
def test_the_start_every_nth_and_the_last_policy_are_evaluated(k: int, due: bool) -> None:
    assert plan.evaluation_due(config_of(evaluation={"every": 10}), k, iterations=25) is due


def test_every_path_below_a_run_is_its_own() -> None:
    paths = [
        *(make(k) for make in (RUN.plan, RUN.prompts, RUN.training, RUN.report, RUN.registration) for k in range(3)),
        *(make(k, s) for make in (RUN.sampling, RUN.scoring) for k in range(3) for s in range(3)),
        *(RUN.evaluation_plan(name) for name in (BASE, policy_name(0), policy_name(1))),
        *(RUN.evaluation_sampling(policy_name(k), s) for k in range(3) for s in range(3)),
        *(RUN.evaluation_scoring(policy_name(k), s) for k in range(3) for s in range(3)),
        RUN.evaluation_prompts,
        RUN.control,
    ]
    assert len(set(paths)) == len(paths)
    assert all(path.startswith(f"{RUN.uri}/") for path in paths)
    assert not [path for path in paths for other in paths if other.startswith(f"{path}/")]


def test_paths_sort_in_the_order_of_their_numbers() -> None:
    assert sorted(RUN.iteration(k) for k in range(1200)) == [RUN.iteration(k) for k in range(1200)]


def test_a_layout_is_nothing_but_its_uri() -> None:
    assert [field.name for field in fields(RunLayout)] == ["uri"]


@pytest.mark.parametrize(
    ("run", "uri"),
    [
        ("cats-7", "s3://bucket/store/runs/cats-7"),
        ("s3://other/runs/x/", "s3://other/runs/x"),
    ],
)
def test_a_run_is_named_by_its_id_or_its_uri(run: str, uri: str) -> None:
    layout = RunLayout.of("s3://bucket/store/", run)
    assert layout.uri == uri
    assert layout.run_id == uri.rsplit("/", 1)[1]


@pytest.mark.parametrize("run", ["", "a/b", ".", "..", "-a", "a b", "a\n", "cats-it-0001"])
def test_a_run_id_is_fit_for_a_path(run: str) -> None:
    with pytest.raises(BadRequest, match="run id"):
        RunLayout.of("s3://bucket/store", run)


@given(st.lists(st.text(alphabet="ab1-", max_size=6), min_size=1, max_size=4))
def test_a_seed_is_63_bits_and_a_function_of_its_key(key: list[str]) -> None:
    assert derive_seed(*key) == derive_seed(*key)
    assert 0 <= derive_seed(*key) < 2**63


def test_seeds_of_neighbours_share_nothing() -> None:
    seeds = {
        *(iteration_seed(0, k, purpose) for k in range(100) for purpose in ("prompts", "sampling", "training")),
        *(sample_seed(7, f"a-cat-{n}", index) for n in range(10) for index in range(10)),
        evaluation_seed("tiny-v1"),
        evaluation_seed("tiny-v2"),
    }
    assert len(seeds) == 300 + 100 + 2


def test_seeds_are_these_numbers_for_ever() -> None:
    """A committed run can be repeated only if these stay."""
    assert iteration_seed(0, 0, "sampling") == 1_807_812_859_143_170_854
    assert sample_seed(1, "a-cat", 0) == 4_683_967_619_402_704_584
    assert evaluation_seed("tiny-v1") == 5_645_406_952_245_745_241
