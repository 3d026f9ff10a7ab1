"""JUnit XML as Jenkins' and others' schemas want it: a test case for each trial."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.analysis.analysis import Analysis
from matrix.results.observation import Observation, Outcome
from reports import junit
from tests.reports.conftest import failed, healthy, slow
from tests.reports.hostile import ANYTHING, filled

Sweep = Callable[..., tuple[Analysis, Path]]

# What Jenkins' junit-10.xsd allows, in which every other usual schema agrees.
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "time", "tests", "failures", "errors", "skipped"},
    "testcase": {"name", "time", "classname"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": set[str](),
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "error", "skipped"},
    "failure": set[str](),
    "error": set[str](),
    "skipped": set[str](),
}
NEEDED = {"testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name"}}
TIME = re.compile(r"\d+\.\d{3}")


def checked(text: str) -> ET.Element:
    """The document, if it has the schema's shape and its counts are right."""
    root = ET.fromstring(text)  # noqa: S314 - our own
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag]
        assert set(element.attrib) >= NEEDED.get(element.tag, set())
        assert {child.tag for child in element} <= CHILDREN[element.tag]
        assert TIME.fullmatch(element.get("time", "0.000"))
    [suite] = root
    cases = list(suite)
    assert suite.get("tests") == root.get("tests") == str(len(cases))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert suite.get(name) == str(sum(case.find(tag) is not None for case in cases))
    return suite


def as_planted(levels: dict[str, Any]) -> Any:
    if levels["device"] == "cuda":
        return "no CUDA device"
    return {"sea": slow, "hill": failed, "moor": healthy}[levels["env"]]()


def test_each_trial_is_a_test_case(sweep: Sweep) -> None:
    analysis, _ = sweep({"env": ("sea", "hill", "moor"), "device": ("cpu", "cuda")}, as_planted)
    suite = checked(junit.of_sweep(analysis))
    assert suite.get("name") == "A planted sweep"
    assert [case.get("name") for case in suite] == [result.trial.label for result in analysis.results]
    told = {case.get("name"): [(inner.tag, inner.get("type")) for inner in case] for case in suite}
    assert told == {
        "env=sea device=cpu": [("failure", "slow-phase")],
        "env=hill device=cpu": [("failure", "exception")],
        "env=moor device=cpu": [],
        **{f"env={env} device=cuda": [("skipped", None)] for env in ("sea", "hill", "moor")},
    }


def test_a_failure_tells_what_one_needs_to_look_further(sweep: Sweep) -> None:
    analysis, _ = sweep({"env": ("hill",), "device": ("cpu",)}, as_planted)
    [case] = checked(junit.of_sweep(analysis))
    failure = case.find("failure")
    assert failure is not None
    text = failure.text or ""
    assert "exception in train · _process_sequence" in text
    assert "RuntimeError: Expected hidden[0] size" in text
    assert "step: 2048" in text
    assert "folder: cells/" in text


def test_what_kept_a_trial_from_starting_is_an_error(sweep: Sweep) -> None:
    analysis, _ = sweep({"env": ("moor",), "device": ("cpu",)}, as_planted)
    [result] = analysis.results
    broken = Observation(Outcome.FAILED_TO_START, "the environment could not be built")
    analysis = Analysis(analysis.plan, (type(result)(result.trial, broken),))
    [case] = checked(junit.of_sweep(analysis))
    error = case.find("error")
    assert error is not None
    assert error.get("type") == "failed-to-start"
    assert error.text == "the environment could not be built"


@pytest.mark.parametrize(("make", "fails"), [(slow, 1), (failed, 1), (healthy, 0)])
def test_a_run_is_a_suite_of_one(make: Any, fails: int) -> None:
    suite = checked(junit.of_run(make(), "20261124-120000"))
    assert (suite.get("name"), suite.get("failures")) == ("20261124-120000", str(fails))


@settings(deadline=None)
@given(st.lists(ANYTHING, max_size=40), ANYTHING)
def test_whatever_a_process_says_it_is_well_formed(words: list[str], name: str) -> None:
    checked(junit.of_run(filled(words), name))


def test_colours_of_a_terminal_leave_no_litter() -> None:
    assert 'name="red and title"' in junit.of_run(healthy(), "\x1b[1;31mred\x1b[0m and \x1b]0;x\x07title")
