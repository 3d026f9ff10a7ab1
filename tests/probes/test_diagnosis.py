"""The contract ``freezelab.diagnosis/1``: what is written is read back, fits the schema, and nothing else does."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.diagnosis import (
    Alternative,
    Culprit,
    Diagnosis,
    Evidence,
    InvalidDiagnosisError,
    Remedy,
    Signal,
    Timing,
    schema,
)
from probes.verdicts import Verdict

VALIDATOR = jsonschema.Draft202012Validator(schema())
TEXT = st.text(min_size=1, max_size=12)
SECONDS = st.floats(0, 1e6).map(lambda value: round(value, 3))
FIGURES = st.floats(-1e6, 1e6)
VERDICTS = st.sampled_from(Verdict)
SEVERAL = st.lists(VERDICTS, max_size=4, unique=True).map(tuple)
JSON = st.dictionaries(
    TEXT, st.one_of(st.none(), st.booleans(), st.integers(), FIGURES, TEXT, st.lists(TEXT)), max_size=3
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


DIAGNOSES = st.builds(
    Diagnosis,
    verdict=VERDICTS,
    confidence=st.floats(0, 1),
    summary=TEXT,
    command=st.lists(st.text(max_size=9), min_size=1, max_size=3).map(tuple),
    timing=st.builds(
        Timing,
        observed_s=SECONDS,
        detected_after_s=maybe(SECONDS),
        phases=st.dictionaries(
            TEXT, st.fixed_dictionaries({"count": st.integers(1), "total_s": SECONDS, "max_s": SECONDS}), max_size=2
        ),
        iterations=st.lists(
            st.fixed_dictionaries(
                {"step": st.integers(), "collect_s": SECONDS, "train_s": maybe(SECONDS), "minibatches": st.integers(0)}
            ),
            max_size=2,
        ).map(tuple),
    ),
    phase=maybe(TEXT),
    step=maybe(st.integers()),
    culprit=maybe(
        st.builds(
            Culprit,
            TEXT,
            TEXT,
            maybe(st.integers(0)),
            maybe(TEXT),
            maybe(TEXT),
            st.just("main") | st.integers(0, 99).map("worker {}".format),
        )
    ),
    cause=maybe(TEXT),
    evidence=st.lists(st.builds(Evidence, TEXT, SECONDS, TEXT, SEVERAL, SEVERAL, JSON), max_size=3).map(tuple),
    alternatives=st.lists(
        st.builds(Alternative, VERDICTS, st.floats(-99, 0).map(lambda value: round(value, 3)), TEXT), max_size=3
    ).map(tuple),
    signal=maybe(st.builds(Signal, TEXT, maybe(TEXT))),
    remedies=st.lists(
        st.builds(Remedy, TEXT, TEXT, st.booleans(), maybe(FIGURES), maybe(FIGURES), maybe(FIGURES)), max_size=2
    ).map(tuple),
    environment=st.fixed_dictionaries(
        {
            "python": maybe(TEXT),
            "platform": TEXT,
            "packages": st.dictionaries(TEXT, TEXT, max_size=2),
            "cpu": st.fixed_dictionaries({"model": maybe(TEXT), "cores": st.integers(1)}),
            "gpu": maybe(TEXT),
            "wsl": st.booleans(),
            "training": maybe(JSON),
        }
    ),
    artifacts=st.dictionaries(TEXT, TEXT, max_size=2),
)


@given(DIAGNOSES)
def test_what_is_written_fits_the_schema_and_is_read_back_equal(diagnosis: Diagnosis) -> None:
    value = json.loads(json.dumps(diagnosis.to_json(), allow_nan=False))
    VALIDATOR.validate(value)
    assert Diagnosis.from_json(value) == diagnosis


def test_the_schema_is_one_and_names_every_verdict() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["$defs"]["verdict"]["enum"] == [verdict.value for verdict in Verdict]


EXAMPLE = Diagnosis(
    verdict=Verdict.SLOW_PHASE,
    confidence=0.9,
    summary="It is slow.",
    command=("python", "train.py"),
    timing=Timing(12.0, 3.0, {"train": {"count": 1, "total_s": 9.0, "max_s": 9.0}}),
    culprit=Culprit("f", "a.py", 3, None, None),
    evidence=(Evidence("silence", 1.0, "nothing came", (Verdict.SPIN,), (Verdict.HEALTHY,), {}),),
    alternatives=(Alternative(Verdict.HEALTHY, -2.0, "nothing came"),),
    signal=Signal("SIGABRT", None),
    remedies=(Remedy("fused-lstm", "one call"),),
    environment={
        "python": "3.11.7", "platform": "Linux", "packages": {}, "cpu": {"model": None, "cores": 2}, "gpu": None,
        "wsl": False, "training": None,
    },
).to_json()  # fmt: skip
OBJECTS = ((), ("culprit",), ("evidence", 0), ("alternatives", 0), ("timing",), ("signal",), ("remedies", 0))


def inside(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@pytest.mark.parametrize("path", OBJECTS, ids=str)
def test_the_schema_wants_every_key_of_the_contract_and_no_other(path: tuple[str | int, ...]) -> None:
    VALIDATOR.validate(EXAMPLE)
    for key in inside(EXAMPLE, path):
        less = copy.deepcopy(EXAMPLE)
        del inside(less, path)[key]
        assert not VALIDATOR.is_valid(less), key
    more = copy.deepcopy(EXAMPLE)
    inside(more, path)["surprise"] = 1
    assert not VALIDATOR.is_valid(more)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "tired"),
        (("confidence",), 1.5),
        (("confidence",), None),
        (("summary",), ""),
        (("step",), 1.5),
        (("evidence", 0, "for"), ["tired"]),
        (("alternatives", 0, "score"), 0.5),
        (("culprit", "process"), "child"),
        (("timing", "phases", "train", "count"), 0),
        (("schema",), "freezelab.diagnosis/2"),
        (("command",), []),
    ],
)
def test_the_schema_refuses(path: tuple[str | int, ...], value: Any) -> None:
    wrong = copy.deepcopy(EXAMPLE)
    inside(wrong, path[:-1])[path[-1]] = value
    assert not VALIDATOR.is_valid(wrong)


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.integers()), st.just({}))


@given(st.sampled_from(sorted(EXAMPLE)), JUNK, st.booleans())
def test_a_damaged_document_is_refused_or_read_but_breaks_nothing(key: str, junk: Any, remove: bool) -> None:
    value = copy.deepcopy(EXAMPLE)
    if remove:
        del value[key]
    else:
        value[key] = junk
    with contextlib.suppress(InvalidDiagnosisError):
        Diagnosis.from_json(value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema": "freezelab.diagnosis/2"}'])
def test_a_file_that_is_no_diagnosis_is_an_error_that_names_it(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "diagnosis.json"
    path.write_bytes(data)
    with pytest.raises(InvalidDiagnosisError, match=r"diagnosis\.json"):
        Diagnosis.load(path)
    with pytest.raises(InvalidDiagnosisError, match="missing"):
        Diagnosis.load(tmp_path / "missing.json")


def test_verdicts_are_their_names_and_only_healthy_is_no_failure() -> None:
    assert [str(verdict) for verdict in Verdict if not verdict.is_failure] == ["healthy"]
    assert Verdict("exit-hang") is Verdict.EXIT_HANG
