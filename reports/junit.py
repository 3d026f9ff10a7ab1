"""
A sweep or a run as JUnit XML, for continuous integration: a suite with a test case for each trial.

Only elements and attributes that all of the usual schemas know are used (Jenkins' junit-4 and junit-10 among them).
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass

from matrix.analysis.analysis import Analysis
from matrix.results.observation import Observation, Outcome, observed
from probes.diagnosis import Diagnosis
from reports import plain

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
"""A terminal's colours and titles, whole: without their first character the rest would be litter."""
_SKIPPED = (Outcome.SKIPPED, Outcome.UNSATISFIABLE)


@dataclass(frozen=True)
class _Case:
    name: str
    observation: Observation
    time_s: float


def of_sweep(analysis: Analysis) -> str:
    """The document of a sweep; a trial without any outcome yet is no test case."""
    cases = [
        _Case(result.trial.label, result.observation, result.observation.wall_s or 0.0) for result in analysis.results
    ]
    return _document(analysis.plan.name, cases)


def of_run(diagnosis: Diagnosis, name: str) -> str:
    """The document of one run: a suite of one."""
    return _document(name, [_Case("run", observed(diagnosis), diagnosis.timing.observed_s)])


def _document(name: str, cases: Iterable[_Case]) -> str:
    cases = list(cases)
    total_s = sum(case.time_s for case in cases)
    counts = {"tests": len(cases)}
    counts["failures"] = sum(_is_failure(case.observation) for case in cases)
    counts["errors"] = sum(case.observation.outcome is Outcome.FAILED_TO_START for case in cases)
    written = {key: str(value) for key, value in counts.items()}
    root = ET.Element("testsuites", {"name": "freezelab", "time": f"{total_s:.3f}", **written})
    skipped = sum(case.observation.outcome in _SKIPPED for case in cases)
    suite = ET.SubElement(
        root,
        "testsuite",
        {"name": _clean(name), "time": f"{total_s:.3f}", **written, "skipped": str(skipped)},
    )
    for case in cases:
        _add(suite, _clean(name), case)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add(suite: ET.Element, suite_name: str, case: _Case) -> None:
    seen = case.observation
    element = ET.SubElement(
        suite,
        "testcase",
        {"classname": f"freezelab.{suite_name}", "name": _clean(case.name), "time": f"{case.time_s:.3f}"},
    )
    if seen.outcome in _SKIPPED:
        ET.SubElement(element, "skipped").text = _clean(seen.headline)
    elif seen.outcome is Outcome.FAILED_TO_START:
        error = ET.SubElement(element, "error", {"type": str(seen.outcome), "message": _clean(seen.headline)})
        error.text = _clean(seen.reason or "")
    elif _is_failure(seen):
        failure = ET.SubElement(element, "failure", {"type": str(seen.verdict), "message": _clean(seen.summary or "")})
        failure.text = _clean("\n".join(_details(seen)))


def _details(seen: Observation) -> Iterable[str]:
    yield seen.signature or str(seen.verdict)
    if seen.culprit:
        yield f"culprit: {seen.culprit} ({seen.culprit_file})"
    if seen.exception:
        yield seen.exception
    if seen.signal:
        yield f"signal: {seen.signal}" + (f", after {seen.heap_message}" if seen.heap_message else "")
    if seen.step is not None:
        yield f"step: {seen.step}"
    if seen.folder:
        yield f"folder: {seen.folder}"


def _is_failure(seen: Observation) -> bool:
    return seen.verdict is not None and seen.verdict.is_failure


def _clean(text: str) -> str:
    # What XML 1.0 can't hold, not even escaped (https://www.w3.org/TR/xml/#charsets), goes with what is unfit anyway.
    return plain.clean(_ESCAPES.sub("", text).replace("\r\n", "\n"))
