"""The two sentences at the top: what it is, and what to do."""

from __future__ import annotations

import dataclasses
import re

import pytest

from probes import causes
from probes.diagnosis import Culprit, Diagnosis, Remedy
from probes.verdicts import Verdict
from reports import advice, run_markdown
from tests.reports.conftest import healthy, slow

CULPRIT = Culprit("step", "/home/me/env.py", 7, None, None, "worker 3")


def ended(verdict: Verdict, culprit: Culprit | None = CULPRIT) -> Diagnosis:
    return dataclasses.replace(healthy(), verdict=verdict, phase="collect", step=512, culprit=culprit)


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("culprit", [CULPRIT, None])
def test_every_verdict_is_told_in_two_short_sentences_of_whole_words(verdict: Verdict, culprit: Culprit | None) -> None:
    diagnosis = ended(verdict, culprit)
    is_, do = advice.what_it_is(diagnosis), advice.what_now(diagnosis)
    assert is_.startswith(("Your training", "Training"))
    assert len(is_.split()) <= 22
    assert len(do.split()) <= 40
    assert not re.search(r"[{}]|None", is_ + do)


def test_where_it_was_is_told_if_it_is_known() -> None:
    assert "at step 512 in worker 3" in advice.what_it_is(ended(Verdict.DEADLOCK))
    assert "at step" not in advice.what_it_is(dataclasses.replace(ended(Verdict.DEADLOCK), step=None))


def test_phases_have_the_names_of_what_people_see() -> None:
    assert "updating the policy takes long at step 2048" in advice.what_it_is(slow())
    assert "it does" in advice.what_it_is(dataclasses.replace(slow(), phase=None))


def test_the_advice_names_the_place_to_look_at() -> None:
    assert "`step (me/env.py:7) in worker 3`" in advice.what_now(ended(Verdict.DEADLOCK))
    assert "the place where it stood" in advice.what_now(ended(Verdict.DEADLOCK, None))


@pytest.mark.parametrize("cause", causes.CAUSES, ids=lambda cause: cause.id)
def test_a_known_cause_is_answered_by_its_own_advice(cause: causes.Cause) -> None:
    told = advice.what_now(dataclasses.replace(ended(Verdict.CRASH), cause=cause.id))
    assert cause.advice.startswith(told)
    assert told.endswith(".")
    stuck = advice.what_now(dataclasses.replace(ended(Verdict.DEADLOCK), cause=cause.id))
    assert stuck == f"Stop it: it will not go on by itself. {told}"


def test_the_best_remedy_is_named_with_what_it_brought() -> None:
    remedies = (Remedy("one", "why"), Remedy("two", "why", verified=True, before=9.0, after=3.0, ratio=3.0))
    told = advice.what_now(dataclasses.replace(slow(), remedies=remedies))
    assert "To make it faster, run it with `--remedy two`, which made it 3.0 times as fast here." in told
    stuck = dataclasses.replace(ended(Verdict.DEADLOCK), remedies=remedies[:1])
    assert "To get it moving, run it with `--remedy one`." in advice.what_now(stuck)


def test_they_stand_at_the_top_of_the_report() -> None:
    _, is_, do, *_ = run_markdown.render(slow()).split("\n\n")
    assert is_.startswith("**Your training is not stuck, it is slow")
    assert do.startswith("**What to do now:** Wait: ")
