"""Sizes of JPEG files, worked out by hand from the format (ITU T.81, tables of annex K)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from components.core.config import RewardConfig
from components.core.errors import BadData, BadRequest
from components.scoring.rewards.jpeg import JpegCompressibility, JpegIncompressibility, JpegOptions
from components.scoring.scorer import load_scorers
from tests.scoring.shards import encode, flat, noise, prompt, prompts

HEADERS = 2 + 18 + 2 * 69 + 19 + 2 * (33 + 183) + 14 + 2
"""SOI, APP0, two quantisation tables, SOF, two pairs of Huffman tables (12 and 162 symbols), SOS, EOI: 625 bytes."""


def size(picture: Image.Image, **options: Any) -> float:
    (score,) = JpegIncompressibility(JpegOptions(**options)).score([picture], [prompt()])
    assert score.reward is not None
    return score.reward


@pytest.mark.parametrize(("side", "blocks"), [(16, 1), (32, 4), (64, 16)])
def test_a_flat_grey_picture_is_headers_and_four_bytes_a_block(side: int, blocks: int) -> None:
    """16 px of 4:2:0 are 4 Y, 1 Cb, 1 Cr blocks of zeros: 4 x (2 + 4) + 2 x (2 + 2) bits of DC 0 and end-of-block."""
    assert size(flat(side)) == (HEADERS + 4 * blocks) / 1000


def test_the_figures_that_the_project_stands_on() -> None:
    assert size(flat(32)) == 0.641
    assert size(flat(64)) == 0.689
    assert np.mean([size(noise(seed)) for seed in range(20)]) == pytest.approx(1.832, abs=0.01)
    assert np.mean([size(noise(seed, 64)) for seed in range(20)]) == pytest.approx(5.458, abs=0.04)


def test_compressibility_is_minus_incompressibility() -> None:
    pictures, rows = [flat(), noise(0)], prompts(2)
    plus = JpegIncompressibility(JpegOptions()).score(pictures, rows)
    minus = JpegCompressibility(JpegOptions()).score(pictures, rows)
    assert [p.reward for p in plus] == [-m.reward for m in minus if m.reward is not None]
    assert [p.parts for p in plus] == [m.parts for m in minus] == [{"bytes": 641}, {"bytes": 1835}]


def test_a_png_round_trip_changes_no_score() -> None:
    for picture in (flat(), noise(2), noise(3, 64)):
        assert size(Image.open(io.BytesIO(encode(picture)))) == size(picture)


def test_what_a_file_carries_beside_pixels_does_not_count() -> None:
    comments = PngImagePlugin.PngInfo()
    comments.add_text("comment", "long " * 100)
    data = encode(noise(4), pnginfo=comments, dpi=(300, 300), icc_profile=b"x" * 500)
    assert size(Image.open(io.BytesIO(data))) == size(noise(4))


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "GIF"])
def test_a_lossy_file_is_refused(format: str) -> None:
    with pytest.raises(BadData, match=f"a-cat-000 is a {format} file"):
        size(Image.open(io.BytesIO(encode(noise(), format))))


def test_every_setting_of_the_encoder_changes_size_and_identity() -> None:
    variants: list[dict[str, Any]] = [{}, {"quality": 90}, {"subsampling": "4:4:4"}, {"subsampling": "4:2:2"}]
    sizes = {size(noise(5), **options) for options in variants}
    ids = {load_scorers([RewardConfig(name="jpeg_compressibility", options=options)])[0].id for options in variants}
    assert len(sizes) == len(ids) == len(variants)


def test_the_default_written_out_is_the_default() -> None:
    (short,) = load_scorers([RewardConfig(name="jpeg_compressibility")])
    (long,) = load_scorers([RewardConfig(name="jpeg_compressibility", options={"subsampling": "4:2:0", "quality": 95})])
    assert short.id == long.id
    identity = short.description["identity"]
    assert isinstance(identity, dict)
    assert {"pillow", "libjpeg"} <= set(identity)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"qualty": 90}, "options of jpeg_compressibility: qualty: unknown key"),
        ({"quality": 100}, "quality = 100: should be less than or equal to 95"),
        ({"subsampling": "keep"}, "subsampling = 'keep'"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        load_scorers([RewardConfig(name="jpeg_compressibility", options=options)])
