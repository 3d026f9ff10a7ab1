"""
Runs that an earlier sweep or bisection did: taken in before the first run, so that none of them is repeated.

Only a run of the same thing counts: the same words, libraries, variables, remedies and seed as the candidate's own
runs have. A sweep's runs are judged anew, by what this search counts as failure.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from matrix.analysis.analysis import PLAN_FILE, STORE_FILE
from matrix.bisect.observations import Candidate
from matrix.bisecting.runs import Ended, Run, judged
from matrix.bisecting.search import Space
from matrix.bisecting.session import ABOUT, RUNS, Session, read_about, read_runs
from matrix.bisecting.subject import Subject
from matrix.bisecting.view import View
from matrix.errors import MatrixError
from matrix.plan.cells import NO_REMEDY, REMEDY, Trial
from matrix.plan.plan import Plan
from matrix.results.store import read_lock_texts, read_records
from matrix.running.trial import PROGRAM, THREAD_VARIABLES
from probes.diagnosis import Diagnosis, InvalidDiagnosisError

_OF_NO_ACCOUNT = ("good", "bad", "command", "also", "pre")
"""What two searches may differ in and still try the same candidates in the same way."""


@dataclass(frozen=True)
class OfSweep:
    """A run as a sweep wrote it down."""

    trial: Trial
    lock: str | None
    """What its libraries were resolved to, as a requirements file."""

    @property
    def remedy(self) -> str:
        """What it was changed by from outside."""
        return str(self.trial.cell.levels.get(REMEDY, NO_REMEDY))

    @property
    def environ(self) -> Mapping[str, str | None]:
        """Its variables."""
        return {**dict.fromkeys(THREAD_VARIABLES, str(self.trial.threads)), **self.trial.cell.environ}

    def words(self) -> tuple[str, ...]:
        """Behind the interpreter."""
        return self.trial.words(PROGRAM)

    def is_of(self, words: Sequence[str]) -> bool:
        """Whether a search that runs these words, and changes nothing but libraries, would run the same."""
        plain = self.remedy == NO_REMEDY and not self.trial.cell.environ
        as_here = all(os.environ.get(name) == value for name, value in self.environ.items())
        return plain and as_here and same_words(self.words(), words)


@dataclass(frozen=True)
class OfSearch:
    """A run as an earlier search of the same kind wrote it down."""

    about: Mapping[str, Any]
    candidate: Any


Origin: TypeAlias = "OfSweep | OfSearch"


class Recognising(Space[Candidate], Protocol[Candidate]):
    """A space that knows its candidates among earlier runs."""

    def recognised(self, origin: Origin) -> Candidate | None:
        """Which candidate an earlier run is of; None if it is of none."""
        ...


def taken_over(
    folders: Iterable[Path], space: Recognising[Candidate], subject: Subject, session: Session, view: View
) -> list[Run[Candidate]]:
    """
    The runs in some folders that are of a search's candidates, those of the bad end first: they say what is sought.

    :param session: of the search; says what it is about.
    :raises MatrixError: a folder can't be read, is that search's own, or holds no run that counts.
    """
    found: list[Run[Candidate]] = []
    for folder in dict.fromkeys(each.resolve() for each in folders):
        if folder == session.out.resolve():
            raise MatrixError(f"--from {folder}: this search's own folder; its runs count in any case")
        runs, all_runs = _runs_of(folder, space, subject, session.about)
        counted = [run for run in runs if run.ended is not Ended.UNRESOLVED]
        if not counted:
            raise MatrixError(
                f"--from {folder}: none of its {all_runs} runs is of what this search tries; a run counts if its "
                "command, libraries, variables and seed are the very ones "
                f"(a sweep sets {', '.join(THREAD_VARIABLES)}; set them alike)"
            )
        ends = Counter(run.ended.value for run in counted)
        told = ", ".join(f"{number} {end}" for end, number in ends.most_common())
        view.note(f"{folder.name}: {len(counted)} of its {all_runs} runs count here ({told})")
        found += counted
    ends_first = (space.bad, space.good)
    return sorted(found, key=lambda run: ends_first.index(run.candidate) if run.candidate in ends_first else 2)


def same_words(ours: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two commands are the same, the interpreter aside; one may name the script by way of a link."""
    return tuple(ours[1:]) == tuple(others[1:]) and (
        tuple(ours[:1]) == tuple(others[:1]) or os.path.realpath(ours[0]) == os.path.realpath(others[0])
    )


def _runs_of(
    folder: Path, space: Recognising[Candidate], subject: Subject, about: Mapping[str, Any]
) -> tuple[list[Run[Candidate]], int]:
    """Those that are recognised, and how many there are."""
    if (folder / STORE_FILE).exists():
        return _of_sweep(folder, space, subject)
    if (folder / ABOUT).exists():
        return _of_search(folder, space, about)
    raise MatrixError(f"--from {folder}: neither the folder of a sweep nor of a bisection")


def _of_sweep(folder: Path, space: Recognising[Candidate], subject: Subject) -> tuple[list[Run[Candidate]], int]:
    plan = Plan.load(folder / PLAN_FILE)
    cells = {cell.id: cell for cell in plan.cells}
    locks = read_lock_texts(folder / STORE_FILE)
    records = [record for record in read_records(folder / STORE_FILE) if record.ran]
    found: list[Run[Candidate]] = []
    for record in records:
        cell = cells.get(record.cell)
        if cell is None or record.observation.folder is None:
            continue
        trial = Trial(cell, record.seed, record.repeat, plan.run.limit_s, plan.threads(cell))
        candidate = space.recognised(OfSweep(trial, locks.get(cell.versions.id)))
        if candidate is None or trial.id != record.id:
            continue
        place = folder / record.observation.folder
        try:
            diagnosis = Diagnosis.load(place / "diagnosis.json")
        except InvalidDiagnosisError:
            continue  # Its folder was thrown away: what counts as failure here can't be told any more.
        found.append(Run(candidate, *judged(diagnosis, subject.counts, subject.same), 0.0, str(place)))
    return found, len(records)


def _of_search(
    folder: Path, space: Recognising[Candidate], about: Mapping[str, Any]
) -> tuple[list[Run[Candidate]], int]:
    other = read_about(folder)
    known = json.loads(json.dumps(about))
    for name in sorted({*known, *other} - {*_OF_NO_ACCOUNT}):
        if known.get(name) != other.get(name):
            raise MatrixError(f"--from {folder}: runs of another search: {name} is not the same there")
    runs = read_runs(folder / RUNS)
    found: list[Run[Candidate]] = []
    for run in runs:
        candidate = space.recognised(OfSearch(other, run.candidate))
        if candidate is not None:
            place = str(folder / run.folder) if run.folder else None
            found.append(replace(run, candidate=candidate, seconds=0.0, folder=place))
    return found, len(runs)
