"""
What was observed, one row per trial, in SQLite: read it with ``pandas.read_sql("select * from flat", …)``.

``flat`` has a column for each factor of the sweep beside what ``trials`` has.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix.environments.cache import Lock
from matrix.errors import MatrixError
from matrix.plan.cells import Trial, VersionSet
from matrix.results import schema
from matrix.results.observation import Observation, Outcome
from probes.verdicts import Verdict

_BUSY_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Record:
    """A stored trial."""

    id: str
    cell: str
    factors: dict[str, Any]
    seed: int
    repeat: int
    observation: Observation

    @property
    def ran(self) -> bool:
        return self.observation.outcome is Outcome.RAN


class Store:
    """
    The one writer of a sweep's store. Each :meth:`add` is a transaction of its own, so that killing the process
    loses at most the trials in flight.
    """

    def __init__(self, path: Path) -> None:
        """
        Opens the store, making it if it is missing.

        :raises MatrixError: the file is no store of ours, or one of a newer FreezeLab.
        """
        self._connection = _connect(path)
        try:
            version = _version(self._connection, path)
            if version < schema.VERSION:
                schema.migrate(self._connection, version)
            # With a WAL, NORMAL survives the death of the process; only a power cut may take the last rows.
            self._connection.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.Error as error:
            self._connection.close()
            raise MatrixError(f"{path}: can't be written: {error}; name another folder with --out") from error
        except MatrixError:
            self._connection.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def add(self, trial: Trial, observation: Observation) -> None:
        """Writes down what came of ``trial``, in place of an earlier attempt's outcome."""
        row = {
            "id": trial.id,
            "cell": trial.cell.id,
            "factors": json.dumps(dict(trial.cell.levels), sort_keys=True),
            "seed": trial.seed,
            "repeat": trial.repeat,
            "signature": observation.signature,
            **{field.name: getattr(observation, field.name) for field in dataclasses.fields(observation)},
            "outcome": observation.outcome.value,
            "verdict": observation.verdict.value if observation.verdict else None,
            "phases": json.dumps(observation.phases),
            "artifacts": json.dumps(observation.artifacts),
        }
        names, places = ", ".join(row), ", ".join(f":{name}" for name in row)
        with self._connection:
            # The names are ours, the values are bound.
            self._connection.execute(f"INSERT OR REPLACE INTO trials ({names}) VALUES ({places})", row)  # noqa: S608

    def name_factors(self, factors: Iterable[str]) -> None:
        """Makes ``flat`` anew: ``trials`` with a column for each of ``factors``; see :func:`factor_columns`."""
        named = factor_columns(factors, schema.columns(self._connection))
        # Neither a name nor a path in JSON can be bound.
        extracts = (
            f"""json_extract(factors, {_quoted("'", f'$."{factor}"')}) AS {_quoted('"', column)}"""
            for factor, column in named.items()
            if '"' not in factor
        )
        select = ", ".join(("trials.*", *extracts))
        with self._connection:
            self._connection.execute("DROP VIEW IF EXISTS flat")
            self._connection.execute(f"CREATE VIEW flat AS SELECT {select} FROM trials")  # noqa: S608

    def records(self) -> list[Record]:
        """Every trial that is stored, in the order in which they ended."""
        return list(_records(self._connection))

    def missing(self, trials: Iterable[Trial]) -> list[Trial]:
        """Those that did not run yet. What was skipped or failed is asked for again: the machine may have changed."""
        ran = {record.id for record in _records(self._connection) if record.ran}
        return [trial for trial in trials if trial.id not in ran]

    def add_lock(self, versions: VersionSet, lock: Lock) -> None:
        """Writes down what a library set resolved to, once."""
        now = dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
        with self._connection:
            self._connection.execute(
                "INSERT OR IGNORE INTO locks VALUES (?, ?, ?, ?, ?)",
                (versions.id, lock.id, lock.python, lock.text, now),
            )

    def lock(self, versions: VersionSet) -> Lock | None:
        """What the library set resolved to when this sweep began."""
        row = self._connection.execute("SELECT python, text FROM locks WHERE versions = ?", (versions.id,)).fetchone()
        return Lock(*row) if row else None


def read_locks(path: Path) -> dict[str, str]:
    """
    What library sets resolved to when the sweep began: hash of what a set asks for to the lock's.

    :raises MatrixError: not a store of ours.
    """
    return _read_locks(path, "SELECT versions, id FROM locks")


def read_lock_texts(path: Path) -> dict[str, str]:
    """
    The same as requirements files.

    :raises MatrixError: not a store of ours.
    """
    return _read_locks(path, "SELECT versions, text FROM locks")


def read_records(path: Path) -> list[Record]:
    """
    Every trial in a store, also while a sweep writes it.

    :raises MatrixError: no store, not one of ours, or one of a newer FreezeLab.
    """
    if not path.exists():
        raise MatrixError(f"{path}: no such file; name the folder of a sweep that was started")
    connection = _connect(path)
    with contextlib.closing(connection):
        _version(connection, path)
        try:
            return list(_records(connection))
        except sqlite3.Error as error:
            raise MatrixError(f"{path}: not a store of a sweep: {error}") from error


def _read_locks(path: Path, query: str) -> dict[str, str]:
    connection = _connect(path)
    with contextlib.closing(connection):
        try:
            return dict(connection.execute(query).fetchall())
        except sqlite3.Error as error:
            raise MatrixError(f"{path}: not a store of a sweep: {error}") from error


def factor_columns(factors: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """What each factor's column is called: as it is, or ``factor_NAME`` where a column of that name is ``taken``."""
    known = {name.lower() for name in taken}  # to SQLite, case makes no difference
    return {factor: f"factor_{factor}" if factor.lower() in known else factor for factor in factors}


def _quoted(mark: str, text: str) -> str:
    return mark + text.replace(mark, 2 * mark) + mark


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S)
    except sqlite3.Error as error:
        raise MatrixError(f"{path}: can't be opened: {error}; name another folder with --out") from error
    connection.row_factory = sqlite3.Row
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise MatrixError(f"{path}: not a store of a sweep ({error}); use --fresh to start anew") from error
    if version > schema.VERSION:
        raise MatrixError(
            f"{path}: written by a newer FreezeLab (schema {version}, this one knows {schema.VERSION}); "
            "upgrade FreezeLab, or use --fresh to start anew"
        )
    return version


def _records(connection: sqlite3.Connection) -> Iterator[Record]:
    names = [field.name for field in dataclasses.fields(Observation)]
    # One of an earlier version, read and not written, lacks what came later.
    names = [name for name in names if name in schema.columns(connection)]
    for row in connection.execute("SELECT * FROM trials ORDER BY rowid"):
        values = {name: row[name] for name in names}
        values["outcome"] = Outcome(values["outcome"])
        values["verdict"] = Verdict(values["verdict"]) if values["verdict"] else None
        for name in ("phases", "artifacts"):
            if name in values:
                values[name] = json.loads(values[name])
        yield Record(
            id=row["id"],
            cell=row["cell"],
            factors=json.loads(row["factors"]),
            seed=row["seed"],
            repeat=row["repeat"],
            observation=Observation(**values),
        )
