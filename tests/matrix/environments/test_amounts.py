from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.environments.amounts import parse_age, parse_limit, parse_size, size_text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("40GB", 40e9),
        ("1.5 TB", 1.5e12),
        ("512MiB", 512 * 2**20),
        ("512mib", 512 * 2**20),
        ("10k", 10_000),
        ("2Gi", 2 * 2**30),
        ("7", 7),
        ("7 B", 7),
        ("0", 0),
    ],
)
def test_sizes_as_people_write_them(text: str, size: float) -> None:
    assert parse_size(text) == size
    assert parse_limit(text) == size


@pytest.mark.parametrize(
    "text", ["", "GB", "-1GB", "1,5GB", "1e9", "10 XB", "10iB", "ten", "1GB x", "٣GB", "inf", "nan"]
)
def test_what_is_no_size_is_told_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no size; write a number and a unit, such as 20GB"):
        parse_size(text)
    with pytest.raises(ValueError, match=r"is no size; .*, or none for no limit"):
        parse_limit(text)


def test_no_limit_can_be_asked_for() -> None:
    assert parse_limit("none") == math.inf


@pytest.mark.parametrize(("text", "seconds"), [("30d", 30 * 86400), ("12h", 43200), ("90m", 5400), ("2w", 14 * 86400)])
def test_ages_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "30 days", "-1d", "1y"])
def test_what_is_no_age_is_told_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no length of time; write a number and m, h, d or w"):
        parse_age(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (158e6, "158 MB"), (1.26e9, "1.3 GB"), (999.6e6, "1.0 GB")],
)
def test_sizes_are_told_shortly(size: float, text: str) -> None:
    assert size_text(size) == text


@given(st.floats(0, 1e15))
def test_a_size_that_was_told_can_be_read(size: float) -> None:
    assert parse_size(size_text(size)) == pytest.approx(size, rel=0.06, abs=0.5)
