"""Which releases are searched: the ends, pre-releases and yanked ones by choice, one order."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from packaging.specifiers import SpecifierSet

from matrix.bisecting.versions import Wanted, list_releases
from matrix.errors import MatrixError

INDEX = ("1.0", "1.1", "2.0rc1", "2.0", "2.1", "3.0")


def index(package: str, wanted: SpecifierSet, pythons: Iterable[str], exclude_newer: str | None) -> tuple[str, ...]:
    return tuple(one for one in INDEX if wanted.contains(one))


def _listed(good: str | None, bad: str | None, **more: object) -> tuple[str, ...]:
    return list_releases(Wanted.checked("tiny", ("3.11",), (), good, bad, **more), index)


def test_from_the_good_to_the_bad_end_without_pre_releases() -> None:
    assert _listed("1.0", "2.1") == ("1.0", "1.1", "2.0", "2.1")
    assert _listed(None, None) == ("1.0", "1.1", "2.0", "2.1", "3.0")


def test_a_good_release_that_is_the_later_turns_the_order_round() -> None:
    assert _listed("2.1", "1.1") == ("2.1", "2.0", "1.1")


def test_pre_releases_by_choice_or_as_an_end() -> None:
    assert _listed("1.0", "2.1", pre=True) == ("1.0", "1.1", "2.0rc1", "2.0", "2.1")
    assert _listed("2.0rc1", "2.1") == ("2.0rc1", "2.0", "2.1")


def test_a_release_that_the_index_hides_has_its_place() -> None:
    assert _listed("1.0", "2.1", also=("1.5", "9.0")) == ("1.0", "1.1", "1.5", "2.0", "2.1")
    assert _listed("1.5", "2.1", also=("1.5",)) == ("1.5", "2.0", "2.1")


@pytest.mark.parametrize(
    ("good", "bad", "more", "says"),
    [
        ("1.7", "2.0", {}, "--good 1.7: no such release of tiny for Python 3.11"),
        ("2.0", "2.0", {}, "2.0 alone can't be bisected"),
        ("one", "2.0", {}, "--good: 'one' is no release"),
        ("1.0", "2.0", {"also": ("x",)}, "--also: 'x' is no release"),
    ],
)
def test_what_is_no_release_is_refused(good: str, bad: str, more: dict[str, object], says: str) -> None:
    with pytest.raises(MatrixError) as refused:
        _listed(good, bad, **more)
    assert says in str(refused.value)
