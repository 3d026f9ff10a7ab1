"""
A search's folder: what it is about, and each run as a line of JSON. A kill at any moment loses the run in flight.

``search.json`` says what is sought among what, the next call goes on from ``runs.jsonl``, and each run has a folder in
``runs/``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matrix.bisecting.guard import guarded
from matrix.bisecting.runs import Run
from matrix.errors import MatrixError
from matrix.running.leftovers import end_leftovers
from matrix.running.own_folder import own_folder

SCHEMA = "freezelab.bisect/1"
ABOUT, RUNS, FOLDERS, LOCK = "search.json", "runs.jsonl", "runs", "search.lock"
EARLIER = "earlier.jsonl"
"""Runs of other sweeps and searches that count here."""
RESULTS = ("bisect.json", "bisect.md", "bisect.html", "bisect-posterior.svg")
_KEPT = "kept.json"


class Session:
    """A search's folder, in use by this process alone; see :func:`open_session`."""

    def __init__(self, out: Path, about: Mapping[str, Any]) -> None:
        self.out = out
        self.about = about
        self.runs: list[Run[Any]] = read_runs(out / RUNS)
        """All that were run, those of earlier calls included."""
        self.earlier: list[Run[Any]] = read_runs(out / EARLIER)
        """What other sweeps and searches ran of the same candidates, told first."""

    @property
    def known(self) -> list[Run[Any]]:
        """All of both, in the order in which they are told."""
        return [*self.earlier, *self.runs]

    def take_over(self, runs: Sequence[Run[Any]]) -> None:
        """Writes down the earlier runs that count, in place of those that did so far."""
        self.earlier = list(runs)
        growing = self.out / f".{EARLIER}.part"
        growing.write_text("".join(map(_line, runs)), encoding="utf-8")
        growing.replace(self.out / EARLIER)

    def add(self, run: Run[Any]) -> None:
        """Writes a run down, once and for all."""
        self.runs.append(run)
        if run.passing:
            return
        with (self.out / RUNS).open("a", encoding="utf-8") as file:
            file.write(_line(run))
            file.flush()
            os.fsync(file.fileno())

    def next_folder(self, label: str) -> tuple[Path, str]:
        """For the next run: the folder, and its name relative to the search's. It does not exist."""
        plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", label).strip("-.")[:40]
        name = f"{FOLDERS}/{len(self.runs) + 1:03}" + (f"-{plain}" if plain else "")
        folder = self.out / name
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was cut off
        return folder, name

    def keep(self, name: str, value: Any) -> None:
        """Remembers something for later calls, such as what a release's environment was resolved to."""
        kept = {**self.kept, name: value}
        growing = self.out / f".{_KEPT}.part"
        growing.write_text(json.dumps(kept), encoding="utf-8")
        growing.replace(self.out / _KEPT)

    @property
    def kept(self) -> dict[str, Any]:
        """What was remembered."""
        try:
            value = json.loads((self.out / _KEPT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}


@contextlib.contextmanager
def open_session(out: Path, about: Mapping[str, Any], *, fresh: bool) -> Iterator[Session]:
    """
    Makes the folder ours while entered. What an earlier call about the same has left is gone on with.

    :param about: all that decides what a run would show: a search about something else can't go on here.
    :param fresh: forget what an earlier search left there.
    :raises MatrixError: it can't be used, another search is running there, or it holds another search's runs.
    """
    with own_folder(out, LOCK, "another search is running there"):
        try:
            end_leftovers(out / FOLDERS)
            about = json.loads(json.dumps({"schema": SCHEMA, **about}))
            if fresh:
                _forget(out)
            _check_same(out, about)
            (out / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
            _drop_cut_off(out / RUNS)
            with guarded(out / FOLDERS):
                yield Session(out, about)
        except OSError as error:
            raise MatrixError(f"{out}: can't be written to ({error.strerror}); name another --out") from error


def _forget(out: Path) -> None:
    for name in (ABOUT, RUNS, EARLIER, _KEPT, *RESULTS):
        (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / FOLDERS, ignore_errors=True)


def _check_same(out: Path, about: Mapping[str, Any]) -> None:
    path = out / ABOUT
    if not path.exists():
        return
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        earlier = None
    if not isinstance(earlier, dict):
        earlier = {}
    differing = sorted(name for name in {*about, *earlier} if about.get(name) != earlier.get(name))
    if differing:
        name = differing[0]
        raise MatrixError(
            f"{out}: holds another search ({name} was {_short(earlier.get(name))}, now {_short(about.get(name))}); "
            "name another --out, or forget that one with --fresh"
        )


def _drop_cut_off(path: Path) -> None:
    """A kill may have cut the last line off: what is written next must not go on with it."""
    if path.exists() and not (data := path.read_bytes()).endswith(b"\n"):
        path.write_bytes(data[: data.rfind(b"\n") + 1])


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _line(run: Run[Any]) -> str:
    return json.dumps(run.to_json(), ensure_ascii=False) + "\n"


def read_about(out: Path) -> dict[str, Any]:
    """
    What the search in a folder is about.

    :raises MatrixError: it can't be read.
    """
    path = out / ABOUT
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MatrixError(f"{path}: can't be read: {error}") from error
    if not isinstance(value, dict):
        raise MatrixError(f"{path}: no JSON object, so not of a bisection")
    return value


def read_runs(path: Path) -> list[Run[Any]]:
    """
    Runs that were written down; none if there is no file.

    :raises MatrixError: a line is none.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    whole, _, _ = data.rpartition(b"\n")  # The last line may have been cut off by a kill.
    runs = []
    for number, line in enumerate(whole.decode("utf-8", "replace").splitlines(), 1):
        try:
            runs.append(Run.from_json(json.loads(line)))
        except ValueError as error:
            raise MatrixError(f"{path}: line {number}: {error}; forget this search with --fresh") from None
    return runs
