from __future__ import annotations

from dataclasses import replace

import pytest

from matrix.results.observation import Observation, Outcome, masked, observed
from probes.diagnosis import Culprit, Diagnosis, Evidence, Signal, Timing
from probes.verdicts import Verdict

DIAGNOSIS = Diagnosis(
    Verdict.EXCEPTION,
    0.9,
    "RuntimeError in train",
    ("python", "train.py"),
    Timing(7.5, detected_after_s=6.0, phases={"train": {"count": 1, "total_s": 3.0, "max_s": 3.0}}),
    phase="train",
    step=2048,
    culprit=Culprit("check_hidden_size", "/env/torch/nn/modules/rnn.py", 300, "torch.nn", "torch"),
    evidence=(
        Evidence(
            "uncaught-exception",
            7.4,
            "RuntimeError: Expected hidden[0] …",
            detail={"type": "RuntimeError", "message": "Expected hidden[0] size (1, 64, 256), got [1, 1, 256]\nmore"},
        ),
    ),
)


def test_a_diagnosis_is_stored_by_its_heads() -> None:
    found = observed(DIAGNOSIS)
    assert found.outcome is Outcome.RAN
    assert (found.phase, found.step, found.culprit, found.library) == ("train", 2048, "check_hidden_size", "torch")
    assert found.observed_s == 7.5
    assert found.phases == {"train": {"count": 1, "total_s": 3.0, "max_s": 3.0}}


def test_the_signature_of_an_exception_masks_what_differs_from_run_to_run() -> None:
    assert observed(DIAGNOSIS).signature == (
        "exception in train · check_hidden_size · RuntimeError: Expected hidden[#] size (#, #, #), got [#, #, #]"
    )


def test_a_heap_message_is_no_part_of_the_signature_because_one_fault_has_many() -> None:
    crashes = [
        observed(replace(DIAGNOSIS, verdict=Verdict.CRASH, evidence=(), signal=Signal("SIGABRT", message)))
        for message in ("double free detected in tcache 2", "corrupted size vs. prev_size")
    ]
    assert crashes[0].signature == crashes[1].signature == "crash in train · check_hidden_size · SIGABRT"
    assert crashes[0].heap_message == "double free detected in tcache 2"


def test_healthy_runs_are_all_alike() -> None:
    assert observed(replace(DIAGNOSIS, verdict=Verdict.HEALTHY)).signature == "healthy"


def test_an_unknown_phase_is_told_as_such() -> None:
    assert observed(replace(DIAGNOSIS, phase=None, evidence=(), culprit=None)).signature == (
        "exception in an unknown phase"
    )


def test_what_did_not_run_has_no_signature() -> None:
    assert Observation(Outcome.UNSATISFIABLE, "a wants b<2").signature is None
    assert Observation(Outcome.UNSATISFIABLE, "a wants b<2").headline == "unsatisfiable: a wants b<2"


@pytest.mark.parametrize(
    ("message", "same"),
    [
        ("object at 0x7f3a died", "object at # died"),
        ("loss 1.5e-3 after 20 steps", "loss # after # steps"),
        ("first\nsecond", "first"),
        ("", ""),
    ],
)
def test_numbers_and_addresses_are_masked(message: str, same: str) -> None:
    assert masked(message) == same
