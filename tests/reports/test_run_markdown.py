"""A run's report: what it is first, proof below."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from probes.diagnosis import Evidence
from reports import run_markdown, terminal
from tests.reports.conftest import failed, healthy, slow


def test_the_verdict_and_the_summary_come_first() -> None:
    lines = run_markdown.render(slow()).split("\n\n")
    assert lines[0] == "# Diagnosis: slow-phase"
    assert "stands still at step 2048" in lines[1]


def test_rollouts_and_updates_stand_side_by_side() -> None:
    assert "| 2048 | 2.00 s | 16.0 s | 8.0 | 320 |" in run_markdown.render(slow())


def test_a_known_cause_is_explained_with_what_helps() -> None:
    text = run_markdown.render(failed())
    assert "## Why, and what helps" in text
    assert "without batch_first" in text


def test_every_alternative_says_why_not() -> None:
    assert "| healthy | -5.5 | a module ran step by step |" in run_markdown.render(slow())


def test_a_traceback_is_shown_innermost_first() -> None:
    assert "> _process_sequence  sb3_contrib/common/recurrent/policies.py:190" in run_markdown.render(failed())


@given(st.text(max_size=60))
def test_what_a_process_says_lets_no_markup_through(said: str) -> None:
    evidence = (Evidence("silence", 1.0, said + "<script>|"),)
    text = run_markdown.render(dataclasses.replace(healthy(), summary=said + "<img>", evidence=evidence))
    assert "<script>" not in text.replace("\\<", "")
    assert "<img>" not in text.replace("\\<", "")


def test_the_terminal_says_what_helps() -> None:
    text = terminal.summary(slow())
    assert text.startswith("verdict   slow-phase (confidence 0.99)")
    assert "step 2048: 2.00 s + 16.0 s" in text
    assert "what helps   Wait" in text
