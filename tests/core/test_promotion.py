"""Who is champion is one story, told by one log, whoever asks at once and however often."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core import promotion, store
from components.core.errors import BadData, BadRequest, Conflict, StepError
from components.core.promotion import Candidate, Promotion

MODEL = "ddpo-tiny"


def candidate(name: str, *, policy: int = 7, base_id: str = "sha256:base") -> Candidate:
    run = f"file:///store/runs/{name}"
    return Candidate(
        policy_id=name, base_id=base_id, run=run, policy=policy,
        training=f"{run}/iterations/{policy - 1:04d}/training" if policy else None,
        registration=f"{run}/registrations/{policy:04d}",
    )  # fmt: skip


def promote(root: str, name: str, expected: int, *, by: str = "ann", policy: int = 7, **more: str) -> Promotion:
    return promotion.promote(
        root, MODEL, candidate(name, policy=policy, **more), expected=expected, by=by, reason="better"
    )


def rollback(root: str, expected: int | None = None) -> Promotion:
    return promotion.rollback(root, MODEL, by="bob", reason="it draws grey", expected=expected)


def champions(root: str) -> list[str]:
    return [entry.policy_id for entry in promotion.standing(promotion.read_log(root, MODEL))]


def test_nobody_is_champion_before_the_first(file_store):
    assert promotion.champion(file_store, MODEL) is None
    with pytest.raises(BadRequest, match="no champion to go back to: it has none"):
        rollback(file_store)


def test_the_base_is_entry_0_and_a_rollback_can_end_there(store_root):
    assert promote(store_root, "base", 0, policy=0).action == "base"
    assert promote(store_root, "one", 1).action == "promote"
    back = rollback(store_root)
    assert (back.number, back.action, back.policy_id, back.policy, back.training) == (2, "rollback", "base", 0, None)
    assert promotion.champion(store_root, MODEL) == promotion.read_log(store_root, MODEL)[0]
    with pytest.raises(BadRequest, match="base is its first"):
        rollback(store_root)


def test_twice_back_after_two_promotions(file_store):
    for number, name in enumerate(("base", "one", "two")):
        promote(file_store, name, number, policy=number)
    assert [rollback(file_store).policy_id for _ in range(2)] == ["one", "base"]
    assert champions(file_store) == ["base"]


def test_a_rollback_forgets_the_top_only(file_store):
    """promote one, promote two, back, promote three: before three stood one, never two."""
    for number, name in enumerate(("base", "one", "two")):
        promote(file_store, name, number, policy=number)
    rollback(file_store)
    promote(file_store, "three", 4)
    assert champions(file_store) == ["base", "one", "three"]
    assert rollback(file_store).policy_id == "one"


def test_a_policy_that_was_rolled_back_may_be_promoted_again(file_store):
    promote(file_store, "base", 0, policy=0)
    promote(file_store, "one", 1)
    rollback(file_store)
    assert promote(file_store, "one", 3).number == 3
    assert champions(file_store) == ["base", "one"]


def test_the_champion_is_not_promoted_over_itself(file_store):
    """Else a rollback would return to the very policy that it is to take away."""
    promote(file_store, "one", 0)
    with pytest.raises(Conflict, match="is the champion of ddpo-tiny already, since entry 0"):
        promote(file_store, "one", 1)


def test_a_policy_of_another_base_is_refused(file_store):
    promote(file_store, "base", 0, policy=0)
    with pytest.raises(BadRequest, match="belongs to the base sha256:base, policy one to sha256:other"):
        promote(file_store, "one", 1, base_id="sha256:other")


def test_approval_after_a_newer_champion_is_refused(store_root):
    promote(store_root, "base", 0, policy=0)
    promote(store_root, "one", 1)
    with pytest.raises(Conflict, match="another champion since, one, entry 1: two was held against another") as caught:
        promote(store_root, "two", 1)
    assert caught.value.exit_code == 73
    assert champions(store_root) == ["base", "one"]


def test_a_task_that_died_before_its_answer_finds_its_own_entry(store_root):
    """Created, killed, run again: the same entry, time and all; also when others have gone on since."""
    promote(store_root, "base", 0, policy=0)
    made = promote(store_root, "one", 1)
    assert promote(store_root, "one", 1) == made
    promote(store_root, "two", 2)
    assert promote(store_root, "one", 1) == made
    assert len(promotion.read_log(store_root, MODEL)) == 3


def test_the_same_policy_approved_by_somebody_else_is_no_repeat(file_store):
    promote(file_store, "one", 0)
    with pytest.raises(Conflict):
        promote(file_store, "one", 0, by="bob")


def test_a_repeated_rollback_goes_back_once(store_root):
    """With the length of the log that it saw; without, a second wish is a second step back."""
    for number, name in enumerate(("base", "one", "two")):
        promote(store_root, name, number, policy=number)
    made = rollback(store_root, expected=3)
    assert rollback(store_root, expected=3) == made
    assert champions(store_root) == ["base", "one"]
    assert rollback(store_root).policy_id == "base"


def test_a_rollback_that_somebody_overtook_is_refused(file_store):
    for number, name in enumerate(("base", "one", "two")):
        promote(file_store, name, number, policy=number)
    with pytest.raises(Conflict, match="was changed meanwhile: its champion is two, entry 2"):
        rollback(file_store, expected=2)


def at_once(calls: list) -> list:
    """Every call in a thread of its own, let go together; what it returned or raised."""
    barrier = Barrier(len(calls))

    def run(call):
        barrier.wait()
        try:
            return call()
        except StepError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def test_of_eight_promotions_at_once_one_wins(store_root):
    promote(store_root, "base", 0, policy=0)
    answers = at_once([lambda name=f"policy-{i}": promote(store_root, name, 1) for i in range(8)])
    won = [answer for answer in answers if isinstance(answer, Promotion)]
    lost = [answer for answer in answers if isinstance(answer, Conflict)]
    assert (len(won), len(lost)) == (1, 7)
    assert {error.exit_code for error in lost} == {73}
    assert promotion.read_log(store_root, MODEL)[1:] == (won[0],)
    assert all(won[0].policy_id in str(error) for error in lost), "a loser is told who won"


def test_a_promotion_and_a_rollback_at_once(store_root):
    """One of them happens; never both on the same state."""
    promote(store_root, "base", 0, policy=0)
    promote(store_root, "one", 1)
    promoted, back = at_once([lambda: promote(store_root, "two", 2), lambda: rollback(store_root, expected=2)])
    assert isinstance(promoted, Promotion) != isinstance(back, Promotion)
    assert champions(store_root) == (["base", "one", "two"] if isinstance(promoted, Promotion) else ["base"])


def test_two_attempts_of_one_task_at_once_are_one_entry(store_root):
    answers = at_once([lambda: promote(store_root, "one", 0)] * 4)
    assert len({answer.at for answer in answers}) == 1
    assert len(promotion.read_log(store_root, MODEL)) == 1


def test_models_have_logs_of_their_own(file_store):
    promote(file_store, "one", 0)
    assert promotion.champion(file_store, "another-model") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [({"number": 5}, "entry 1 says 5"), ({"by": None}, "is no entry of a log"), ({"model": "x"}, "is no log of")],
)
def test_an_entry_that_is_not_of_this_log_stops_everything(file_store, change, said):
    """Written past this module, by a person or another release: nothing may be built on it."""
    first = promote(file_store, "one", 0)
    wrong = json.loads(first.model_dump_json()) | {"number": 1, "policy_id": "two"} | change
    store.create(f"{file_store}/promotions/{MODEL}/0001.json", json.dumps(wrong).encode())
    with pytest.raises(BadData, match=said):
        promotion.champion(file_store, MODEL)


NAMES = st.sampled_from("ABCD")


@given(st.lists(st.one_of(NAMES.map(lambda name: ("promote", name)), st.just(("rollback", "")))))
def test_the_standing_champions_are_a_stack(story):
    """Against a list that is pushed and popped: whatever is told, the log says the same as the list."""
    stack, log = ["base"], [_entry(0, "base", "base")]
    for action, name in story:
        if action == "promote" and stack[-1] != name:
            stack.append(name)
            log.append(_entry(len(log), "promote", name))
        elif action == "rollback" and len(stack) > 1:
            stack.pop()
            log.append(_entry(len(log), "rollback", stack[-1]))
        assert [entry.policy_id for entry in promotion.standing(log)] == stack
    assert all(entry.action != "rollback" for entry in promotion.standing(log))


def _entry(number: int, action: str, name: str) -> Promotion:
    return Promotion(
        **candidate(name).model_dump(), number=number, action=action, model=MODEL, by="ann", reason="",
        at="2026-11-21T12:00:00Z",
    )  # fmt: skip
