"""Runs that a sweep or another bisection did are counted, and not repeated; those of anything else are not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freezelab import main
from matrix.bisecting.call import Call
from matrix.bisecting.cells import PlannedCells
from matrix.bisecting.changes import Mixer
from matrix.bisecting.consistency import Consistency
from matrix.bisecting.earlier import OfSearch, OfSweep
from matrix.bisecting.lock import LockSpace
from matrix.bisecting.locks import Locked, Pin, Target
from matrix.bisecting.providing import Provider
from matrix.bisecting.result import Result
from matrix.bisecting.runs import Counts
from matrix.bisecting.search_factors import search_factors
from matrix.bisecting.subject import Subject
from matrix.bisecting.versions import ReleaseSpace, Wanted
from matrix.errors import MatrixError
from matrix.plan.cells import REMEDY, Cell, Trial, VersionSet
from matrix.plan.parameters import Parameter
from matrix.plan.plan_file import load_plan
from matrix.running.sweep import run_sweep
from matrix.running.trial import THREAD_VARIABLES
from matrix.running.view import SilentView

SWEEP = """
[training]
command = ["train.py", "{workers}", "{order}", "{lr}"]
[factors]
workers = [1, 8]
order = ["same", "mixed"]
lr = ["low", "high"]
[versions.only]
requirements = ["tiny==1.0"]
[run]
repeats = 3
"""
PROGRAM = "import sys\nsys.exit('deadlocked' if sys.argv[1] == '8' and sys.argv[2] == 'mixed' else 0)\n"
BAD = "workers=8 order=mixed lr=high"

Search = Callable[..., Result]


@pytest.fixture
def sweep(tmp_path: Path, parameters: Mapping[str, Parameter], ready_environments: Any) -> Path:
    """The folder of a sweep over eight cells, each of which really ran three times."""
    (tmp_path / "sweep.toml").write_text(SWEEP, encoding="utf-8")
    (tmp_path / "train.py").write_text(PROGRAM, encoding="utf-8")
    plan = load_plan(tmp_path / "sweep.toml", parameters)
    run_sweep(plan, tmp_path / "swept", environments=ready_environments(), view=SilentView())
    return tmp_path / "swept"


@pytest.fixture
def search(tmp_path: Path, parameters: Mapping[str, Parameter], ready_environments: Any) -> Search:
    def call(out: str, *earlier: Path, good: str = "ordinary", bad: str = BAD) -> Result:
        subject = Subject((), Counts.EXIT_CODE, stacks=False)
        cells = PlannedCells(tmp_path / "sweep.toml", parameters)
        asked = Call(tmp_path / out, (), subject, environments=ready_environments(), cache=tmp_path, earlier=earlier)
        return search_factors(cells, (good, bad), asked)

    return call


def test_what_a_sweep_ran_is_not_run_again(sweep: Path, search: Search, tmp_path: Path) -> None:
    found = search("out", sweep)
    assert found.conclusion is not None
    assert sorted(found.conclusion.culprit) == ["order", "workers"]
    assert len(found.earlier) == 24
    # Whatever the proof asks for has run three times.
    assert found.runs == []
    assert found.certificate is not None
    assert {pair.good_passes for pair in found.certificate.pairs} == {3}
    assert all(Path(str(run.folder)).is_dir() for run in found.earlier)
    # A later call of the same search needs not be told again, and another search takes over what it did not borrow.
    assert len(search("out").earlier) == 24
    assert len(Result.load(tmp_path / "out").earlier) == 24
    with pytest.raises(MatrixError, match="none of its 0 runs"):
        search("other", tmp_path / "out")


def test_only_the_runs_of_the_cells_in_question_count(sweep: Path, search: Search, tmp_path: Path) -> None:
    narrow = search("narrow", sweep, bad="workers=8 order=mixed")
    assert len(narrow.earlier) == 12
    # With another program, the same levels are other runs.
    text = (tmp_path / "sweep.toml").read_text(encoding="utf-8")
    (tmp_path / "sweep.toml").write_text(text.replace('"{lr}"]', '"{lr}", "--again"]'), encoding="utf-8")
    with pytest.raises(MatrixError, match="none of its 24 runs is of what this search tries"):
        search("other", sweep)


def test_a_search_between_other_ends_counts_what_another_search_ran(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.py").write_text(PROGRAM, encoding="utf-8")

    def call(out: str, bad: str, *options: str) -> Any:
        words = ["bisect", "factors", "--good", "workers=1 order=same lr=low", "--bad", bad]
        words += ["--outcome", "exit-code", "--out", str(tmp_path / out), "--json", *options]
        code = main([*words, "--", sys.executable, str(tmp_path / "train.py"), "{workers}", "{order}", "{lr}"])
        told = capsys.readouterr()
        return json.loads(told.out) if code == 0 else told.err

    first = call("first", "workers=8 order=mixed lr=low")
    second = call("second", BAD, "--from", str(tmp_path / "first"))
    assert len(second["earlier"]) == len(first["runs"])
    assert second["conclusion"]["culprit"] == first["conclusion"]["culprit"]
    again = call("again", "workers=8 order=mixed lr=low", "--from", str(tmp_path / "first"))
    assert again["runs"] == []
    assert "neither the folder of a sweep nor of a bisection" in call("third", BAD, "--from", str(tmp_path))
    assert "this search's own folder" in call(
        "first", "workers=8 order=mixed lr=low", "--from", str(tmp_path / "first")
    )
    assert "runs of another search: options" in call("x", BAD, "--from", str(tmp_path / "first"), "--limit", "9")


def _pins(**versions: str) -> Locked:
    return Locked({name: Pin(name, version) for name, version in versions.items()})


WORDS = ("-m", "mypackage.train")


def _trial(versions: VersionSet, **levels: str) -> Trial:
    return Trial(Cell(levels, versions, (), "", command=WORDS), 0, 0, 600.0, 2)


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "2")


@pytest.fixture
def provider(ready_environments: Any, tmp_path: Path) -> Provider:
    return Provider(ready_environments(), tmp_path, None)


@pytest.mark.usefixtures("two_threads")
def test_a_mixture_of_locks_is_known_by_what_was_installed(provider: Provider) -> None:
    good, bad = _pins(a="1", b="1", same="1"), _pins(a="2", b="2", same="1", c="1")
    mixer = Mixer(good, bad)
    space = LockSpace(mixer, "3.11", Subject(WORDS), provider, Consistency(mixer, {}, Target("3.11")))
    trial = _trial(VersionSet("any", ("a",), "3.11"))

    def known(text: str, of: Trial = trial) -> object:
        return space.recognised(OfSweep(of, text))

    assert known("a==2\nb==1\nsame==1\n") == ("a 1 -> 2",)
    assert known("a==1\nb==1\nsame==1\n") == ()
    assert known("a==3\nb==1\nsame==1\n") is None
    assert known("a==2\nb==1\nsame==1\nmore==1\n") is None
    assert known("not a lock") is None
    assert known("a==2\nb==1\nsame==1\n", _trial(VersionSet("any", ("a",), "3.10"))) is None
    other_ends = {"good": "a==1\nb==2\nsame==1\n", "bad": "a==2\nb==2\nsame==1\nc==1\n"}
    assert space.recognised(OfSearch(other_ends, ["a 1 -> 2"])) == ("a 1 -> 2", "b 1 -> 2")


@pytest.mark.usefixtures("two_threads")
def test_a_release_is_known_by_what_its_environment_asked_for(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Wanted.checked("tiny", ("3.11", "3.10"), ("numpy<2",), "1.0", "3.0")
    space = ReleaseSpace(wanted, ("1.0", "2.0", "3.0"), Subject(WORDS), provider)
    trial = _trial(VersionSet("any", ("numpy<2", "tiny==2.0"), "3.10"))

    def known(of: Trial) -> object:
        return space.recognised(OfSweep(of, None))

    assert known(trial) == "2.0"
    assert known(_trial(VersionSet("any", ("tiny==2.0",), "3.10"))) is None
    assert known(_trial(trial.cell.versions, **{REMEDY: "threads=1"})) is None
    assert known(replace(trial, cell=replace(trial.cell, command=("-m", "mypackage.other")))) is None
    assert known(replace(trial, threads=4)) is None
    monkeypatch.delenv(THREAD_VARIABLES[0])
    assert known(trial) is None
    assert space.recognised(OfSearch({}, "3.0")) == "3.0"
    assert space.recognised(OfSearch({}, "4.0")) is None
