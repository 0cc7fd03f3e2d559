"""Advantages, with numbers worked out by hand: what peers get silently wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.config import AdvantageConfig
from components.core.errors import BadData
from components.training.advantage import advantages

GROUP = AdvantageConfig(kind="group")


def test_integer_rewards_are_rewards():
    """(1, 3) and (5, 9) each become (-1, +1); peers that keep the integers get all zeros."""
    assert advantages(["cat", "cat", "dog", "dog"], [1, 3, 5, 9], [], GROUP).tolist() == pytest.approx(
        [-1, 1, -1, 1], abs=1e-5
    )


def test_a_group_of_one_is_marked_and_not_zero():
    values = advantages(["cat", "cat", "dog"], [1.0, 3.0, 5.0], [], GROUP)
    assert values[:2].tolist() == pytest.approx([-1, 1], abs=1e-5)
    assert np.isnan(values[2])


@pytest.mark.parametrize("kind", ["group", "history", "batch"])
def test_one_sample_is_refused_in_words(kind):
    with pytest.raises(BadData, match="1 rewards, and no two of them can be compared"):
        advantages(["cat"], [1.0], [], AdvantageConfig(kind=kind))


@pytest.mark.parametrize("kind", ["group", "history", "batch"])
def test_equal_rewards_have_no_preference(kind):
    assert advantages(["cat"] * 3, [7.0] * 3, [], AdvantageConfig(kind=kind)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_refused(value):
    with pytest.raises(BadData, match="NaN or infinite"):
        advantages(["cat", "cat"], [1.0, value], [], GROUP)


def test_until_a_prompt_has_a_history_the_iteration_serves():
    """Mean 4 and deviation sqrt(5) over the whole iteration: (1 - 4) / sqrt(5), and so on."""
    values = advantages(["cat", "dog", "cat", "dog"], [1, 3, 5, 7], [], AdvantageConfig(minimum=3))
    assert values.tolist() == pytest.approx(np.array([-3, -1, 1, 3]) / np.sqrt(5), abs=1e-5)


def test_a_prompt_with_a_history_is_compared_with_its_own_last_rewards():
    """Past cat rewards 100, 2, 4 with buffer 3: 2, 4 and today's 6 count. Mean 4, deviation sqrt(8/3)."""
    config = AdvantageConfig(buffer=3, minimum=3)
    past = [("cat", 100.0), ("cat", 2.0), ("cat", 4.0), ("dog", 50.0)]
    cat, dog = advantages(["cat", "dog"], [6.0, 8.0], past, config)
    assert cat == pytest.approx(2 / np.sqrt(8 / 3), abs=1e-5)
    assert dog == pytest.approx(1.0, abs=1e-5)  # two rewards are too few: (8 - 7) / 1 over the iteration


def test_a_batch_knows_no_prompts():
    """Cats 1, 3 and dogs 5, 7: mean 4, deviation sqrt(5). An easy prompt gains, where its group would be even."""
    values = advantages(["cat", "cat", "dog", "dog"], [1, 3, 5, 7], [], AdvantageConfig(kind="batch"))
    assert values.tolist() == pytest.approx(np.array([-3, -1, 1, 3]) / np.sqrt(5), abs=1e-5)


def test_an_outlier_is_clipped():
    values = advantages(["cat"] * 101, [0.0] * 100 + [1.0], [], AdvantageConfig(kind="group", clip=5))
    assert values[-1] == 5


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20), st.floats(0.1, 10), st.floats(-100, 100))
def test_scale_and_offset_of_a_reward_do_not_matter(rewards, scale, offset):
    """As far as epsilon lets them: deviations well above it."""
    if np.std(rewards) < 0.1:
        return
    plain = advantages(["cat"] * len(rewards), rewards, [], GROUP)
    scaled = advantages(["cat"] * len(rewards), [scale * r + offset for r in rewards], [], GROUP)
    assert scaled == pytest.approx(plain, abs=1e-3)
