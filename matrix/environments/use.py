"""Who uses an environment: known to other processes while it lasts, and written down for later."""

from __future__ import annotations

import contextlib
import fcntl
import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_TICK_S = 0.01
"""The kernel stamps files by a clock that ticks, and so is up to this much behind the one that we read."""
_USING: set[Uses] = set()
"""Kept: a use must not end because nobody refers to who holds it any more."""


class Uses:
    """
    The environments that this process uses: on each one's diary, a shared lock that ends with the process at the
    latest, however that ends. Diaries are opened only by who holds the environment's build lock.
    """

    def __init__(self) -> None:
        self._held: dict[Path, IO[str]] = {}
        self._guard = threading.Lock()

    def hold(self, diary: Path) -> None:
        """Uses what ``diary`` belongs to, from now on."""
        with self._guard:
            if diary in self._held:
                return
            file = diary.open("a", encoding="utf-8")
            try:
                fcntl.flock(file, fcntl.LOCK_SH)
            except BaseException:
                file.close()
                raise
            self._held[diary] = file
            _USING.add(self)

    @property
    def held(self) -> list[Path]:
        """The diaries of what is used."""
        with self._guard:
            return list(self._held)

    def release(self) -> None:
        """Uses nothing any more."""
        with self._guard:
            while self._held:
                self._held.popitem()[1].close()
            _USING.discard(self)


@contextlib.contextmanager
def unused(diary: Path) -> Iterator[bool]:
    """Whether no process uses what ``diary`` belongs to; if so, none begins to until the end of the block."""
    try:
        file = diary.open("r+", encoding="utf-8")
    except FileNotFoundError:
        yield True
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def cells_at(diary: Path, times: Iterable[float]) -> list[str]:
    """
    The cells that ran at one of ``times``.

    :param times: in seconds since the epoch.
    """
    moments = list(times)
    running = [use for use in _uses(diary) if any(use.covers(moment) for moment in moments)]
    return list(dict.fromkeys(use.cell for use in running))


@dataclass
class _Use:
    cell: str
    begins: float
    ended: float = float("inf")

    def covers(self, moment: float) -> bool:
        return self.begins - _TICK_S <= moment <= self.ended


def _uses(diary: Path) -> list[_Use]:
    uses: list[_Use] = []
    going: dict[tuple[int, str], _Use] = {}
    try:
        lines = diary.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            said = json.loads(line)
            key, at, event = (int(said["pid"]), str(said["cell"])), float(said["at"]), said["event"]
        except (ValueError, TypeError, KeyError):
            continue  # cut off as its writer was killed
        if event == "begins":
            going[key] = _Use(key[1], at)
            uses.append(going[key])
        elif key in going:
            going.pop(key).ended = at
    return uses
