"""What a person sees while a search runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from matrix.bisect.observations import Outcome
from matrix.bisecting.runs import Run
from matrix.running.view import duration
from probes.watch import Status

Posterior = Sequence[tuple[tuple[str, ...], float]]
_SHOWN = 10
_TOLD = 3
_BAR = 40
_LEAST = 0.005
"""Culprits below it are not shown."""


@dataclass(frozen=True)
class Progress:
    """Where a search stands, for the view."""

    posterior: Posterior
    runs: int
    seconds: float


class View(Protocol):
    """Shows a search. All methods are called from the thread that runs it."""

    def note(self, text: str) -> None:
        """Something that a person should know."""
        ...

    def starts(self, label: str, reason: str) -> None:
        """A candidate is tried, or built first."""
        ...

    def status(self, status: Status) -> None:
        """What its run is doing; called about twice a second."""
        ...

    def ended(self, label: str, run: Run[Any], outcome: Outcome, progress: Progress) -> None:
        """A run has its outcome."""
        ...

    def end(self) -> None:
        """The search is over, also when it failed."""
        ...


class PlainView:
    """A line for each run that ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def note(self, text: str) -> None:
        """See :meth:`View.note`."""
        self._write(text)

    def starts(self, label: str, reason: str) -> None:
        """See :meth:`View.starts`."""

    def status(self, status: Status) -> None:
        """See :meth:`View.status`."""

    def ended(self, label: str, run: Run[Any], outcome: Outcome, progress: Progress) -> None:
        """See :meth:`View.ended`."""
        most = [f"{name_of(culprit)} {share:.0%}" for culprit, share in _shown(progress.posterior)[:_TOLD]]
        probable = f"; most probable: {', '.join(most)}" if most else ""
        self._write(f"[{progress.runs}] {_line(label, run, outcome)}{probable}")

    def end(self) -> None:
        """See :meth:`View.end`."""

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


@dataclass
class LiveView:
    """The posterior as bars at the foot of the terminal, with what runs; the runs that ended go above it."""

    console: Console
    _progress: Progress | None = None
    _running: str = ""
    _at: str = ""
    _since: float = field(default_factory=time.monotonic)
    _live: Live | None = None

    def note(self, text: str) -> None:
        """See :meth:`View.note`."""
        self.console.print(Text(text, style="dim"))

    def starts(self, label: str, reason: str) -> None:
        """See :meth:`View.starts`."""
        self._running, self._at, self._since = label, reason, time.monotonic()
        if self._live is None:
            self._live = Live(console=self.console, get_renderable=self._render, refresh_per_second=4, transient=True)
            self._live.start()

    def status(self, status: Status) -> None:
        """See :meth:`View.status`."""
        self._at = status.line

    def ended(self, label: str, run: Run[Any], outcome: Outcome, progress: Progress) -> None:
        """See :meth:`View.ended`."""
        self._progress = progress
        colour = {Outcome.FREEZE: "yellow", Outcome.PASS: "green", Outcome.SLOW: "green"}.get(outcome, "dim")
        self.console.print(Text(f"[{progress.runs}] {_line(label, run, outcome)}", style=colour))

    def end(self) -> None:
        """See :meth:`View.end`."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _render(self) -> RenderableType:
        now = Text(no_wrap=True, overflow="ellipsis")
        now.append(f"{self._running}  ", style="bold")
        now.append(f"{duration(time.monotonic() - self._since)}: {self._at}")
        if self._progress is None or not self._progress.posterior:
            return now
        bars = Table.grid(padding=(0, 1))
        bars.add_column(no_wrap=True, overflow="ellipsis", max_width=48)
        for culprit, share in _shown(self._progress.posterior):
            bars.add_row(name_of(culprit), Bar(1.0, 0.0, share, width=_BAR), f"{share:.0%}")
        return Group(bars, now)


def view_for(stream: TextIO) -> View:
    """A live display if ``stream`` is a terminal, else plain lines."""
    return LiveView(Console(file=stream)) if stream.isatty() else PlainView(stream)


def name_of(culprit: tuple[str, ...]) -> str:
    """For people; a long list is cut."""
    if not culprit:
        return "no culprit"
    if len(culprit) > _TOLD:
        return f"{culprit[0]} and {len(culprit) - 1} others"
    return " with ".join(culprit)


def _shown(posterior: Posterior) -> Posterior:
    return [entry for entry in posterior if entry[1] >= _LEAST][:_SHOWN] or posterior[:1]


def _line(label: str, run: Run[Any], outcome: Outcome) -> str:
    seen = "passes" if outcome is Outcome.PASS else "fails" if outcome is Outcome.FREEZE else outcome.value
    return f"{label}: {seen} after {duration(run.seconds)} ({run.says})"
