"""The bug report has the form that stable-baselines3 asks for, whatever the process said."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from probes.diagnosis import Culprit
from reports.issue import text
from reports.issue.reproducer import Reproducer
from reports.issue.text import Example
from tests.reports.conftest import failed, slow
from tests.reports.hostile import ANYTHING, filled

HEADINGS = ["🐛 Bug", "To Reproduce", "Relevant log output / Error message", "System Info", "Checklist"]
MADE = Reproducer("import torch\n", ("--seed", "a b"), ("a stand-in takes the place of <b>v3</b>",))


def headings(markdown: str) -> list[str]:
    """Headings of the third level, as a reader of markdown sees them."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    return [after.content for token, after in pairwise(tokens) if token.tag == "h3" and token.nesting > 0]


def test_it_follows_the_template() -> None:
    shown = text.render(slow(), Example(MADE))
    assert headings(shown) == HEADINGS
    assert shown.startswith("# [Bug]: slow-phase during train at step 2048 in \\_process\\_sequence\n")


def test_the_program_and_how_to_run_it_are_in_it() -> None:
    shown = text.render(slow(), Example(MADE))
    assert "uv run reproducer.py --seed 'a b'" in shown
    assert "```python\nimport torch\n```" in shown
    assert "Wherein it differs from the run: a stand-in" in shown
    assert "- [x] There is a minimal example" in shown


def test_without_a_program_it_says_why() -> None:
    shown = text.render(slow(), Example(why_none="the command runs no script of one file"))
    assert "It was seen with this command; the command runs no script of one file:" in shown
    assert "- [ ] There is a minimal example" in shown


def test_an_error_is_shown_with_its_message_and_stack() -> None:
    shown = text.render(failed(), Example())
    assert "RuntimeError: Expected hidden[0] size (1, 64, 256), got [1, 1, 256]" in shown
    assert "> _process_sequence  sb3_contrib/common/recurrent/policies.py:190" in shown


def test_a_profile_is_shown_where_it_was_slow() -> None:
    assert " 42%  _process_sequence  policies.py:198" in text.render(slow(), Example())


@pytest.mark.parametrize(
    ("library", "module", "project"),
    [
        ("sb3_contrib", "", "sb3-contrib"),
        ("stable_baselines3", "sb3_contrib.ppo_recurrent", "stable-baselines3"),
        (None, "sb3_contrib.ppo_recurrent", "sb3-contrib"),
        (None, "stable_baselines3.ppo", "stable-baselines3"),
    ],
)
def test_it_is_addressed_to_the_maintainers_of_the_culprit(library: str | None, module: str, project: str) -> None:
    diagnosis = dataclasses.replace(
        slow(),
        culprit=Culprit("f", "a.py", 1, None, library),
        environment={"training": {"algorithm_module": module}},
    )
    assert text.project(diagnosis) == project
    assert f"issue tracker of {project}" in text.render(diagnosis, Example())


def test_whose_fault_is_ones_own_is_told() -> None:
    own = dataclasses.replace(slow(), culprit=Culprit("f", "train.py", 1, None, None))
    assert "The culprit is code of your own" in text.render(own, Example())


@settings(deadline=None, max_examples=30)
@given(st.lists(ANYTHING, max_size=45), st.booleans())
def test_whatever_a_process_says_the_form_stays(words: list[str], has_program: bool) -> None:
    program = Reproducer("\n".join(words), tuple(words[:2]), tuple(words[:2])) if has_program else None
    shown = text.render(filled(words), Example(program, None if program else "".join(words[:1]), tuple(words[:2])))
    assert headings(shown) == HEADINGS
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(shown)
    markup = [token.content.strip() for token in tokens if token.type == "html_block"]
    assert all(item.startswith(("<!--\nFor the issue", "<details><summary>", "</details>")) for item in markup)
    assert sum(item.startswith("<!--") for item in markup) == 1
