from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matrix.plan.lock_files import LockFileError, read_lock

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

PINNED = st.tuples(st.sampled_from(["torch", "numpy", "sb3-contrib"]), st.sampled_from(["1.0", "2.5.1+cpu"])).map(
    "==".join
)
NOISE = st.sampled_from(["", "# by hand", "    # via torch"])


def test_comments_and_continued_lines_are_taken_out() -> None:
    text = "# made by uv\ntorch==2.7.1 \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd\n    # via x\n"
    text += "\nnumpy==2.1 # why\n"
    assert read_lock(text) == "torch==2.7.1 --hash=sha256:ab --hash=sha256:cd\nnumpy==2.1\n"


@UNHURRIED
@given(st.lists(PINNED, min_size=1), st.data())
def test_two_files_that_pin_the_same_are_the_same_lock(lines: list[str], data: st.DataObject) -> None:
    noisy = [line for pinned in lines for line in (data.draw(NOISE), f"{pinned}  {data.draw(NOISE)}".rstrip())]
    assert read_lock("\n".join(noisy)) == read_lock("\n".join(lines)) == "\n".join(lines) + "\n"


@UNHURRIED
@given(st.text())
def test_any_text_is_a_lock_or_is_refused(text: str) -> None:
    with contextlib.suppress(LockFileError):
        lock = read_lock(text)
        assert read_lock(lock) == lock


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it pins no package"),
        ("--index-url https://example.org/simple\n", "it pins no package"),
        ("torch==2.7.1\nnumpy>=2\n", "line 2: 'numpy>=2' is not pinned"),
        ("numpy\n", "line 1: 'numpy' is not pinned"),
        ("numpy==2.*\n", "is not pinned to one release"),
        ("\n-r other.txt\n", "line 2: '-r other.txt' is no pinned package"),
        ("-e .\n", "'-e .' is no pinned package"),
        ("numpy=2\n", "line 1: 'numpy=2' is no requirement"),
    ],
)
def test_what_is_not_pinned_is_named_with_its_line(text: str, says: str) -> None:
    with pytest.raises(LockFileError) as caught:
        read_lock(text)
    assert says in str(caught.value)


def test_markers_urls_and_places_of_packages_are_kept() -> None:
    text = '--find-links wheels\ntomli==2.0 ; python_version < "3.11"\nmine @ file:///wheels/mine.whl\n'
    assert read_lock(text) == text
