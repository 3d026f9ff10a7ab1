"""Known causes: each fits its own case and none of its near misses."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from probes import causes
from probes.causes import CAUSES, Finding
from probes.diagnosis import Culprit
from probes.verdicts import Verdict

POLICIES = "/x/site-packages/sb3_contrib/common/recurrent/policies.py"
LOOP = Finding(
    verdict=Verdict.SLOW_PHASE,
    phase="train",
    culprit=Culprit("_process_sequence", POLICIES, 228, "sb3_contrib.common.recurrent.policies", "sb3_contrib"),
    details={"module-loop": {"owner": "LSTM", "function": "_process_sequence"}},
    facts={},
)
BATCH_FIRST = Finding(
    verdict=Verdict.EXCEPTION,
    phase="train",
    culprit=None,
    details={
        "uncaught-exception": {
            "type": "RuntimeError",
            "message": "Expected hidden[0] size (1, 64, 256), got [1, 1, 256]",
        }
    },
    facts={"recurrent_modules": {"lstm_actor": {"batch_first": True}, "lstm_critic": {"batch_first": True}}},
)
N_STEPS = Finding(
    verdict=Verdict.EXCEPTION,
    phase="train",
    culprit=Culprit("get", "/x/site-packages/b.py", 1, "stable_baselines3.common.buffers", "stable_baselines3"),
    details={"uncaught-exception": {"type": "AssertionError", "message": ""}},
    facts={"hyperparameters": {"n_steps": 1024}, "buffer": {"buffer_size": 2048}},
)
CASES = {"recurrent-update-loop": LOOP, "lstm-batch-first": BATCH_FIRST, "n-steps-changed": N_STEPS}


def changed(finding: Finding, *path: str, to: Any) -> Finding:
    """The same with one figure changed."""
    details, facts = copy.deepcopy(finding.details), copy.deepcopy(finding.facts)
    inner: dict[str, Any] = {"details": details, "facts": facts}
    for key in path[:-1]:
        inner = inner[key]
    if to is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return replace(finding, details=details, facts=facts)


def message(text: str) -> Finding:
    return changed(BATCH_FIRST, "details", "uncaught-exception", "message", to=text)


@pytest.mark.parametrize("cause_id", CASES)
def test_a_cause_fits_its_case_and_no_other_does(cause_id: str) -> None:
    assert [cause.id for cause in CAUSES if cause.matches(CASES[cause_id])] == [cause_id]
    found = causes.recognise(CASES[cause_id])
    assert found is not None
    assert found is causes.by_id(cause_id)


NEAR_MISSES = {
    "the loop is of no recurrent module": changed(LOOP, "details", "module-loop", "owner", to="Linear"),
    "nobody counted the calls": changed(LOOP, "details", "module-loop", to=None),
    "it is slow while collecting": replace(LOOP, phase="collect"),
    "the loop is the user's own": replace(LOOP, culprit=Culprit("_process_sequence", "/me/policy.py", 1, None, None)),
    "the loop is the plain library's": replace(
        LOOP, culprit=Culprit("f", "/x", 1, "sb3_contrib.common.maskable.policies", "sb3_contrib")
    ),
    "nobody is to blame": replace(LOOP, culprit=None),
    "it was healthy after all": replace(LOOP, verdict=Verdict.HEALTHY),
    "the width does not fit": message("Expected hidden[0] size (1, 64, 256), got [1, 1, 128]"),
    "the layers do not fit": message("Expected hidden[0] size (1, 64, 256), got [2, 1, 256]"),
    "all of it fits": message("Expected hidden[0] size (1, 64, 256), got [1, 64, 256]"),
    "it is about the input": message("input.size(-1) must be equal to input_size. Expected 26, got 13"),
    "it is another error": message("mat1 and mat2 shapes cannot be multiplied"),
    "batch_first was not set": changed(
        BATCH_FIRST, "facts", "recurrent_modules", to={"lstm_actor": {"batch_first": False}}
    ),
    "the modules are not known": changed(BATCH_FIRST, "facts", "recurrent_modules", to=None),
    "the batch-first run ended otherwise": replace(BATCH_FIRST, verdict=Verdict.CRASH),
    "the sizes agree": changed(N_STEPS, "facts", "buffer", "buffer_size", to=1024),
    "the buffer is not known": changed(N_STEPS, "facts", "buffer", to=None),
    "n_steps is not known": changed(N_STEPS, "facts", "hyperparameters", to={}),
    "it failed outside the buffer": replace(N_STEPS, culprit=Culprit("step", "/me/env.py", 3, None, None)),
    "the changed run did not fail": replace(N_STEPS, verdict=Verdict.SLOW_PHASE),
    "there are no facts": replace(N_STEPS, facts={}),
}


@pytest.mark.parametrize("what", NEAR_MISSES)
def test_no_cause_is_claimed_when(what: str) -> None:
    assert causes.recognise(NEAR_MISSES[what]) is None


@pytest.mark.parametrize("verdict", Verdict)
def test_nothing_is_claimed_from_nothing(verdict: Verdict) -> None:
    assert causes.recognise(Finding(verdict, None, None, {}, {})) is None


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: str(cause.id))
def test_a_cause_can_be_put_into_the_sentence_of_a_summary(cause: causes.Cause) -> None:
    assert cause.title[0].islower()
    assert not cause.title.endswith(".")
    assert cause.explanation.endswith(".")
    assert cause.advice.endswith(".")
    assert cause.reference.startswith("https://")
    assert causes.by_id(cause.id) is cause


def test_an_unknown_id_is_no_cause() -> None:
    assert causes.by_id(None) is None
    assert causes.by_id("moon-phase") is None
