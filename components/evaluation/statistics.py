"""Numbers of a picture that need no model: size, darkness, edges, colours. What a collapse moves, and how far.

All are taken from the 8-bit RGB pixels at the picture's own side, so they compare pictures of one side only. Luma is
Rec. 601's, 0.299 R + 0.587 G + 0.114 B, from 0 to 1.
"""

# N pictures · S statistics · H W pixels

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.evaluation.bootstrap import Floats

NAMES = ("jpeg_kb", "dark_share", "edge_density", "colour_entropy", "saturation", "brightness", "contrast")
DARK = 0.2
"""Luma below which a pixel is dark."""
EDGE = 0.1
"""Luma a pixel at which it changes fast enough to be an edge."""
LEVELS = 4
"""Bins a channel of the colour histogram: 64 colours."""
NO_SPREAD = 1e-9
"""A standard deviation below this is rounding: a statistic that all base pictures share has no unit to move in."""


def of_picture(picture: Image.Image) -> Floats:
    """The statistics of one picture in the order of NAMES, shape (S,).

    jpeg_kb         size as JPEG of quality 95, in kB of 1000 bytes, as the JPEG rewards take it
    dark_share      share of pixels with a luma below 0.2
    edge_density    share of pixels where luma changes by more than 0.1 a pixel (central differences)
    colour_entropy  Shannon entropy in bits of the colours in 4 x 4 x 4 bins: 0 for one colour, 6 for all alike
    saturation      mean of (max - min) / max over the channels; 0 for black
    brightness      mean luma
    contrast        standard deviation of luma
    """
    pixels_HWC = np.asarray(picture.convert("RGB"), dtype=np.float64) / 255
    luma_HW = pixels_HWC @ np.array([0.299, 0.587, 0.114])
    down_HW, across_HW = np.gradient(luma_HW)
    most_HW, least_HW = pixels_HWC.max(axis=2), pixels_HWC.min(axis=2)
    return np.array(
        [
            _jpeg_kb(picture),
            np.mean(luma_HW < DARK),
            np.mean(np.hypot(down_HW, across_HW) > EDGE),
            _entropy(pixels_HWC),
            np.mean((most_HW - least_HW) / np.where(most_HW > 0, most_HW, 1.0)),
            np.mean(luma_HW),
            np.std(luma_HW),
        ]
    )


def table(rows: Sequence[Floats]) -> Floats:
    """One row a picture, shape (N, S)."""
    return np.array(rows).reshape(-1, len(NAMES))


def shifts(candidate_NS: Floats, base_NS: Floats) -> dict[str, float | None]:
    """How far each statistic's mean moved, in standard deviations of the base's pictures (n-1).

    None where the base's pictures do not differ in it: there is no unit.

    >>> shifts(np.full((3, 7), 4.0), np.arange(3.0)[:, None].repeat(7, axis=1))["brightness"]
    3.0
    """
    moved_S = candidate_NS.mean(axis=0) - base_NS.mean(axis=0)
    spread_S = base_NS.std(axis=0, ddof=1) if len(base_NS) > 1 else np.zeros(len(NAMES))
    return {
        name: float(moved / spread) if spread > NO_SPREAD else None
        for name, moved, spread in zip(NAMES, moved_S, spread_S, strict=True)
    }


def rank_correlation(x_N: Floats, y_N: Floats) -> float:
    """Spearman's: Pearson's of the ranks, ties at their mean rank. 0 where one of the two does not vary.

    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([10.0, 100.0, 1000.0]))
    1.0
    """
    a_N, b_N = _ranks(x_N), _ranks(y_N)
    a_N, b_N = a_N - a_N.mean(), b_N - b_N.mean()
    size = float(np.sqrt((a_N @ a_N) * (b_N @ b_N)))
    return float(a_N @ b_N) / size if size > 0 else 0.0


def _ranks(values_N: Floats) -> Floats:
    _, place_N, count = np.unique(values_N, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks: Floats = (last - (count - 1) / 2)[place_N]
    return ranks


def _entropy(pixels_HWC: NDArray[np.float64]) -> float:
    binned_HWC = np.minimum((pixels_HWC * LEVELS).astype(np.int64), LEVELS - 1)
    codes = binned_HWC @ np.array([LEVELS * LEVELS, LEVELS, 1])
    share = np.bincount(codes.ravel(), minlength=LEVELS**3) / codes.size
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum()) + 0.0  # no minus zero


def _jpeg_kb(picture: Image.Image) -> float:
    file = io.BytesIO()
    rgb = picture.convert("RGB")
    Image.frombytes("RGB", rgb.size, rgb.tobytes()).save(file, "JPEG", quality=95, subsampling="4:2:0")
    return file.tell() / 1000
