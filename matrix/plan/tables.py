"""Reading TOML so that every complaint names the file, the key and the way out."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

from matrix.errors import MatrixError, expected_one_of


@dataclass(frozen=True)
class Table:
    """One table of a TOML file and the way to it."""

    file: Path
    where: str
    """Dotted path of the table; empty for the document."""
    values: Mapping[str, Any]

    def fail(self, key: str, problem: str) -> NoReturn:
        """
        Gives up on ``key``.

        :raises MatrixError: always, naming file and key.
        """
        raise MatrixError(f"{self.file}: {self._path(key)}: {problem}")

    def allow_only(self, keys: Iterable[str], what: str = "key") -> None:
        """
        Refuses misspelt keys, which would otherwise be ignored in silence.

        :raises MatrixError: a key that is none of ``keys``.
        """
        known = set(keys)
        for key in self.values:
            if key not in known:
                self.fail(key, f"unknown {what} {key!r}; {expected_one_of(key, known)}")

    def table(self, key: str) -> Table:
        """The table at ``key``; an empty one if it is missing."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            self.fail(key, f"{value!r} is no table; write [{self._path(key)}] and its keys below it")
        return Table(self.file, self._path(key), value)

    def tables(self, key: str) -> list[Table]:
        """The tables of the array ``[[key]]``; none if it is missing."""
        values = self.values.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            self.fail(key, f"not an array of tables; write [[{self._path(key)}]] before each")
        return [Table(self.file, f"{self._path(key)}[{at}]", value) for at, value in enumerate(values)]

    def text(self, key: str, default: str | None = None) -> str:
        """A string that says something. A date of TOML's own counts as its ISO form."""
        value = self.values.get(key, default)
        if isinstance(value, (dt.date, dt.datetime)):
            return value.isoformat()
        if not isinstance(value, str) or not value.strip():
            self.fail(key, f'expected a text in quotes, found {value!r}; write {key} = "…"')
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings with at least one member."""
        values = self.values.get(key)
        if not isinstance(values, list) or not values or not all(isinstance(v, str) and v for v in values):
            self.fail(key, f'expected a list of texts, found {values!r}; write {key} = ["…", "…"]')
        return tuple(values)

    def choice(self, key: str, default: str, known: Iterable[str]) -> str:
        """One of the texts in ``known``."""
        value = self.text(key, default)
        if value not in (names := tuple(known)):
            self.fail(key, f"unknown {key} {value!r}; {expected_one_of(value, names)}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """``true`` or ``false``."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            self.fail(key, f"expected true or false, found {value!r}; write {key} = {str(default).lower()}")
        return value

    def whole(self, key: str, default: int, minimum: int) -> int:
        """A whole number of at least ``minimum``."""
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            self.fail(key, f"expected a whole number from {minimum}, found {value!r}")
        return value

    def wholes(self, key: str, default: tuple[int, ...], minimum: int) -> tuple[int, ...]:
        """A list of distinct whole numbers, each of at least ``minimum``."""
        values = self.values.get(key, list(default))
        good = isinstance(values, list) and all(
            isinstance(v, int) and not isinstance(v, bool) and v >= minimum for v in values
        )
        if not good or not values or len(set(values)) != len(values):
            self.fail(key, f"expected a list of distinct whole numbers from {minimum}, found {values!r}")
        return tuple(values)

    def seconds(self, key: str, default: float) -> float:
        """A positive number of seconds."""
        value = self.values.get(key, default)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < float("inf"):
            self.fail(key, f"expected a positive number of seconds, found {value!r}")
        return float(value)

    def _path(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key


def read_document(path: Path) -> Table:
    """
    Reads a TOML file.

    :raises MatrixError: it is missing, unreadable, not UTF-8 or not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MatrixError(f"{path}: no such file; name a sweep file, or none for the default sweep") from None
    except UnicodeDecodeError as error:
        raise MatrixError(f"{path}: not UTF-8 text at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise MatrixError(f"{path}: can't be read: {error.strerror}; check its permissions") from None
    try:
        return Table(path, "", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise MatrixError(f"{path}: not TOML: {error}; mend that line") from None
