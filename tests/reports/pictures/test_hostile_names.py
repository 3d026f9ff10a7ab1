"""Whatever things are called, a picture is well-formed, made of few elements, and says what it was told."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from probes.stacks import Frame
from probes.verdicts import Verdict
from reports.pictures import Picture
from reports.pictures.bars import posterior
from reports.pictures.flame import flame_graph
from reports.pictures.heatmap import Outcome, heatmap
from reports.pictures.history import History, Reading, Span
from reports.pictures.intervals import Share, intervals
from reports.pictures.timeline import timeline
from tests.reports.hostile import ANYTHING

_SVG = "{http://www.w3.org/2000/svg}"
_ALLOWED = {f"{_SVG}{tag}" for tag in ("svg", "title", "desc", "style", "rect", "line", "path", "text")}
NAMES = st.lists(ANYTHING, min_size=2, max_size=5, unique=True)
SECONDS = st.floats(0, 1e6)


def check(picture: Picture | None) -> None:
    assert picture is not None
    picture.svg.encode()
    root = ET.fromstring(picture.svg)  # noqa: S314 - written by the test itself
    for element in root.iter():
        assert element.tag in _ALLOWED
        assert not any(name.startswith("on") or "href" in name for name in element.attrib)
        for name in ("x", "y", "width", "height", "x1", "x2", "y1", "y2"):
            if name in element.attrib and element is not root:
                float(element.attrib[name])
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", picture.svg)
    assert [element.tag for element in root.iter(f"{_SVG}style")] == [f"{_SVG}style"]


@given(NAMES, st.lists(st.lists(st.integers(0, 4), max_size=6), min_size=1, max_size=6).filter(any))
@settings(deadline=None, max_examples=40)
def test_of_samples(names: list[str], stacks: list[list[int]]) -> None:
    samples = [[Frame(names[n % len(names)], names[-1 - n % len(names)], n) for n in stack] for stack in stacks]
    check(flame_graph("a-flame", samples, names[0]))


@given(NAMES, NAMES, st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([*Verdict, None]))))
@settings(deadline=None, max_examples=40)
def test_of_verdicts(ones: list[str], others: list[str], runs: list[tuple[int, int, Verdict | None]]) -> None:
    factors = {ones[0]: ones, others[0] + "2": others}
    made = [
        Outcome({ones[0]: ones[one % len(ones)], others[0] + "2": others[other % len(others)]}, verdict)
        for one, other, verdict in runs
    ]
    drawn = heatmap("a-map", factors, made, ones[0])
    assert (drawn is None) == (not made)
    if drawn is not None:
        check(drawn)


@given(NAMES, st.lists(st.tuples(SECONDS, SECONDS, st.booleans()), max_size=8), st.floats(0.1, 1e6))
@settings(deadline=None, max_examples=40)
def test_of_a_run(names: list[str], stays: list[tuple[float, float, bool]], lasted_s: float) -> None:
    spans = tuple(
        Span(names[number % len(names)], min(one, other), max(one, other), ended)
        for number, (one, other, ended) in enumerate(stays)
    )
    readings = tuple(
        Reading(at_s, number, number * 7, 0.5, names[0]) for number, at_s in enumerate(sorted({0.0, 1.0, lasted_s}))
    )
    check(timeline("a-run", History(lasted_s, spans, readings, lasted_s / 2, names[0])))


@given(NAMES, st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=5))
@settings(deadline=None, max_examples=40)
def test_of_shares_and_beliefs(names: list[str], counts: list[tuple[int, int]]) -> None:
    shares = [Share(name, min(hits, of), of, 0.0, 1.0) for name, (hits, of) in zip(names, counts, strict=False)]
    check(intervals("some-shares", [(names[0], shares)], "share of something"))
    check(posterior("some-beliefs", [(name, 0.5) for name in names]))
