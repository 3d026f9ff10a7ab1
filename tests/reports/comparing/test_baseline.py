"""A baseline is read as it was written, and whatever is wrong with one is told by its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.comparing.baseline import SCHEMA, Baseline, BaselineError
from reports.comparing.times import Times
from reports.comparing.trials import Ending
from tests.reports.comparing.test_trials import ENDINGS

TRIAL = {"outcome": "ran", "verdict": "healthy", "signature": "healthy", "cause": None, "cell": None, "update": None}
TIMES = {"median_s": 1.0, "low_s": 1.0, "high_s": 1.0, "times": 2}
SHORT = st.text(max_size=5)
WHOLE: dict[str, Any] = {"schema": SCHEMA, "kind": "run", "machine": None, "packages": {}, "trials": {"run": TRIAL}}


def written(path: Path, **changed: Any) -> Path:
    path.write_text(json.dumps({**WHOLE, **changed}), encoding="utf-8")
    return path


@settings(deadline=None, max_examples=30)
@given(
    kind=st.sampled_from(["run", "sweep"]),
    trials=st.dictionaries(st.text(max_size=9), ENDINGS, max_size=4),
    packages=st.dictionaries(st.text(max_size=5), st.dictionaries(SHORT, SHORT), max_size=2),
    machine=st.none() | st.text(max_size=9),
)
def test_it_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, kind: str, trials: dict[str, Ending], packages: Any, machine: str | None
) -> None:
    path = tmp_path_factory.mktemp("baseline") / "new" / "baseline.json"
    made = Baseline(kind, trials, packages, machine)
    made.save(path)
    assert Baseline.load(path) == made


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"schema": "freezelab.baseline/2"}, "written by a newer FreezeLab (freezelab.baseline/2); upgrade"),
        ({"schema": "freezelab.diagnosis/1"}, f"schema is 'freezelab.diagnosis/1'; must be '{SCHEMA}'"),
        ({"schema": 3}, f"schema is 3; must be '{SCHEMA}'"),
        ({"kind": "swep"}, "kind is 'swep'; did you mean 'sweep'? known: run, sweep"),
        ({"machine": 3}, "machine is 3; must be a text or null"),
        ({"packages": []}, "packages is []; must be an object"),
        ({"packages": {"": {"torch": 2}}}, "packages['']['torch'] is 2; must be a text"),
        ({"trials": None}, "trials is None; must be an object"),
        ({"trials": {"a": 1}}, "trials['a'] is 1; must be an object"),
        ({"trials": {"a": {**TRIAL, "outcome": "run"}}}, "trials['a'].outcome is 'run'; must be one of ran, skipped"),
        ({"trials": {"a": {**TRIAL, "verdict": "ok"}}}, "trials['a'].verdict is 'ok'; must be null or one of healthy"),
        ({"trials": {"a": {**TRIAL, "cause": 1}}}, "trials['a'].cause is 1; must be a text or null"),
        (
            {"trials": {"a": {**TRIAL, "verdikt": 1}}},
            "trials['a'] has an unknown key 'verdikt'; did you mean 'verdict'",
        ),
        ({"trials": {"a": {**TRIAL, "update": {**TIMES, "low_s": -1}}}}, "trials['a'].update.low_s is -1; must be sec"),
        ({"trials": {"a": {**TRIAL, "update": {**TIMES, "low_s": True}}}}, "update.low_s is True; must be seconds"),
        ({"trials": {"a": {**TRIAL, "update": {**TIMES, "times": 0}}}}, "update.times is 0; must be a whole number"),
        ({"trials": {"a": {**TRIAL, "update": {"median_s": 1.0}}}}, "update.low_s is None; must be seconds"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    path = written(tmp_path / "b.json", **changed)
    with pytest.raises(BaselineError) as caught:
        Baseline.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"), [("", "not JSON"), ("{", "not JSON"), ("[]", "schema is None"), ("\x00", "JSON")]
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BaselineError, match=told):
        Baseline.load(path)


def test_a_missing_one_says_how_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="no such file; --update-baseline makes it"):
        Baseline.load(tmp_path / "b.json")


def test_another_file_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "package.json"
    path.write_text('{"name": "mine"}', encoding="utf-8")
    with pytest.raises(BaselineError, match="schema is None"):
        Baseline("run", {}).save(path)
    assert path.read_text(encoding="utf-8") == '{"name": "mine"}'


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BaselineError, match="can't be written"):
        Baseline("run", {"run": Ending("ran", update=Times(1.0, 1.0, 1.0, 1))}).save(tmp_path / "file" / "b.json")
