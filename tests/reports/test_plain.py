"""What a process said is fit for every format, and for a terminal."""

from __future__ import annotations

import dataclasses
import io
import re
from xml.etree import ElementTree as ET

from hypothesis import given

from probes.diagnosis import Culprit, Remedy
from probes.watch import Status
from reports import plain, terminal
from tests.reports.conftest import slow
from tests.reports.hostile import ANYTHING, SAMPLES

_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@given(ANYTHING)
def test_what_is_clean_can_be_encoded_and_put_into_xml(value: str) -> None:
    shown = plain.clean(value)
    shown.encode()
    element = ET.Element("a")
    element.text = shown
    assert ET.fromstring(ET.tostring(element)).text == (shown or None)  # noqa: S314 - written here


@given(ANYTHING)
def test_a_line_is_one_line(value: str) -> None:
    shown = plain.line(value)
    assert shown.splitlines() in ([shown], [])
    assert plain.line(shown) == shown


def test_what_is_fit_stays_as_it_is() -> None:
    assert plain.clean("naïve 日本語 🧊\n\ttab") == "naïve 日本語 🧊\n\ttab"


def test_no_control_sequence_reaches_a_terminal() -> None:
    for sample in SAMPLES:
        diagnosis = dataclasses.replace(
            slow(),
            summary=sample,
            culprit=Culprit(sample, sample, 1, None, None),
            remedies=(Remedy(sample, sample, verified=True),),
        )
        assert not _COMMANDS.search(terminal.summary(diagnosis))
        stream = io.StringIO()
        terminal.LiveLine(stream).show(Status(1.0, 1, sample, sample, suspicious=True, diagnosis=diagnosis))
        assert not _COMMANDS.search(stream.getvalue())
