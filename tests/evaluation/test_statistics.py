"""Statistics of pictures whose pixels can be counted."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from components.evaluation import statistics
from components.evaluation.statistics import NAMES, of_picture, rank_correlation, shifts, table


def of(picture: Image.Image) -> dict[str, float]:
    return dict(zip(NAMES, of_picture(picture).tolist(), strict=True))


def test_a_grey_picture():
    """128 / 255 everywhere: one colour, no edge, no colour, and not dark."""
    found = of(Image.new("RGB", (32, 32), (128, 128, 128)))
    assert found["brightness"] == pytest.approx(128 / 255)
    assert found["contrast"] == pytest.approx(0, abs=1e-12)
    assert {found[name] for name in ("dark_share", "edge_density", "colour_entropy", "saturation")} == {0}


def test_half_black_half_red():
    """Luma 0 and .299: mean .1495, sd .1495; half is dark; two colours are one bit; black has saturation 0, red 1.

    The change from 0 to .299 in one pixel is .1495 a pixel by central differences in the two columns beside it.
    """
    picture = Image.new("RGB", (32, 32), (0, 0, 0))
    picture.paste((255, 0, 0), (16, 0, 32, 32))
    found = of(picture)
    assert found["brightness"] == pytest.approx(0.1495)
    assert found["contrast"] == pytest.approx(0.1495)
    assert (found["dark_share"], found["colour_entropy"], found["saturation"]) == (0.5, 1, 0.5)
    assert found["edge_density"] == 2 / 32


def test_a_colour_in_each_bin_is_six_bits():
    levels = (32, 96, 160, 224)
    pixels = np.array([[r, g, b] for r in levels for g in levels for b in levels], dtype=np.uint8).reshape(8, 8, 3)
    assert of(Image.fromarray(pixels))["colour_entropy"] == pytest.approx(6)


def test_the_size_is_that_of_pillows_file():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    assert of(picture)["jpeg_kb"] == len(file.getvalue()) / 1000


def test_a_shift_is_in_deviations_of_base_pictures():
    """Base 1 2 3 (mean 2, sd 1), candidate 4 4 5.5 (mean 4.5): +2.5 sd."""
    base, ours = (np.repeat(np.array([column]).T, len(NAMES), axis=1) for column in ([1.0, 2, 3], [4.0, 4, 5.5]))
    assert set(shifts(ours, base).values()) == {2.5}


def test_a_statistic_that_no_base_picture_varies_in_has_no_unit():
    base = np.full((3, len(NAMES)), 0.1)
    assert set(shifts(base + 1, base).values()) == {None}


def test_ranks_share_ties():
    """x 1 1 2 has ranks 1.5 1.5 3, y 1 2 3: Pearson of the ranks is 1.5 / sqrt(1.5 * 2) = .8660."""
    assert rank_correlation(np.array([1.0, 1, 2]), np.array([1.0, 2, 3])) == pytest.approx(0.8660254)


def test_rank_correlation_agrees_with_scipy():
    scipy_stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(1)
    x, y = random.integers(0, 9, 60).astype(float), random.normal(size=60)
    assert rank_correlation(x, y + x) == pytest.approx(scipy_stats.spearmanr(x, y + x).statistic)


def test_what_does_not_vary_correlates_with_nothing():
    assert rank_correlation(np.ones(5), np.arange(5.0)) == 0


def test_no_picture_is_an_empty_table():
    assert table([]).shape == (0, len(statistics.NAMES))
