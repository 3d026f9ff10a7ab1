"""A diagnosis fit for the public: nothing private, and otherwise the same."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.diagnosis import Culprit, Diagnosis, Evidence
from reports.redaction.document import redacted
from reports.redaction.redactor import Redactor
from tests.reports.conftest import failed, healthy, slow
from tests.reports.hostile import ANYTHING, filled
from tests.reports.redaction.shapes import token


def redactor() -> Redactor:
    return Redactor({}, users=["mira"], home=Path("/home/mira"))


@pytest.mark.parametrize("make", [slow, failed, healthy])
def test_a_diagnosis_without_anything_private_stays_the_same(make: Any) -> None:
    assert redacted(make(), redactor()) == make()


def test_nothing_private_is_left_anywhere() -> None:
    secret = token("GitHub, personal")
    private = f"otto's {secret} in /home/otto/train.py"
    diagnosis = dataclasses.replace(
        slow(),
        summary=private,
        command=("python", "/home/otto/train.py", "--password", "hunter2", f"--note={secret}"),
        culprit=Culprit("step", "/home/otto/train.py", 3, None, None),
        evidence=(Evidence("silence", 1.0, private, detail={private: [private], "api_key": "hunter2"}),),
        environment={"training": {"wandb_api_key": "hunter2", "hyperparameters": {"note": private}}},
    )
    text = json.dumps(redacted(diagnosis, redactor()).to_json())
    assert "otto" not in text
    assert secret not in text
    assert "hunter2" not in text


def test_the_words_of_the_contract_stay_although_a_person_is_called_so() -> None:
    known = Redactor({}, users=["healthy", "slow-phase", "freezelab"], home=Path("/"))
    shown = redacted(slow(), known)
    assert shown.verdict == slow().verdict
    assert Diagnosis.from_json(shown.to_json()) == shown


@settings(deadline=None, max_examples=25)
@given(st.lists(ANYTHING, max_size=40))
def test_whatever_a_process_says_a_diagnosis_remains(words: list[str]) -> None:
    shown = redacted(filled(words), redactor())
    assert shown.verdict == filled(words).verdict
    assert redacted(shown, redactor()) == shown
