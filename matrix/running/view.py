"""What a person sees while a sweep runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from matrix.plan.cells import Trial
from matrix.results.observation import Observation
from matrix.running.progress import Progress

_REPORT_EVERY_S = 10.0
_REFRESH_PER_S = 4.0


class View(Protocol):
    """Shows a sweep. All methods are called from the thread that runs the sweep."""

    def begin(self, progress: Progress) -> None:
        """The sweep starts; ``progress`` changes by itself from now on."""
        ...

    def note(self, text: str) -> None:
        """Something that a person should know."""
        ...

    def finished(self, trial: Trial, observation: Observation) -> None:
        """A trial has its outcome."""
        ...

    def tick(self) -> None:
        """Called about twice a second."""
        ...

    def end(self) -> None:
        """The sweep is over, also when it failed."""
        ...


class SilentView:
    """Shows nothing."""

    def begin(self, progress: Progress) -> None:
        """See :meth:`View.begin`."""

    def note(self, text: str) -> None:
        """See :meth:`View.note`."""

    def finished(self, trial: Trial, observation: Observation) -> None:
        """See :meth:`View.finished`."""

    def tick(self) -> None:
        """See :meth:`View.tick`."""

    def end(self) -> None:
        """See :meth:`View.end`."""


class PlainView:
    """A line for each trial that ends, and every ten seconds one that says what runs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._progress = Progress()
        self._reported = time.monotonic()

    def begin(self, progress: Progress) -> None:
        """See :meth:`View.begin`."""
        self._progress = progress

    def note(self, text: str) -> None:
        """See :meth:`View.note`."""
        self._write(text)

    def finished(self, trial: Trial, observation: Observation) -> None:
        """See :meth:`View.finished`."""
        self._write(f"{_count(self._progress)} {trial.label}: {_ending(observation)}")

    def tick(self) -> None:
        """See :meth:`View.tick`."""
        now = time.monotonic()
        if now - self._reported < _REPORT_EVERY_S or not self._progress.running:
            return
        running = "; ".join(
            f"{trial.label} {duration(now - trial.since)}: {trial.line}" for trial in self._progress.running
        )
        left = _left(self._progress)
        self._write(f"{_count(self._progress)} {left + ', ' if left else ''}running: {running}")

    def end(self) -> None:
        """See :meth:`View.end`."""

    def _write(self, line: str) -> None:
        self._reported = time.monotonic()
        self._stream.write(line + "\n")
        self._stream.flush()


class LiveView:
    """What runs and how far it is, at the foot of the terminal; the trials that ended go above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress()
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=_REFRESH_PER_S, transient=True
        )

    def begin(self, progress: Progress) -> None:
        """See :meth:`View.begin`."""
        self._progress = progress
        self._live.start()

    def note(self, text: str) -> None:
        """See :meth:`View.note`."""
        self._console.print(Text(text, style="dim"))

    def finished(self, trial: Trial, observation: Observation) -> None:
        """See :meth:`View.finished`."""
        failed = observation.verdict is not None and observation.verdict.is_failure
        colour = "yellow" if failed else "green" if observation.verdict else "dim"
        self._console.print(Text.assemble((f"{trial.label}  ", ""), (_ending(observation), colour)))

    def tick(self) -> None:
        """See :meth:`View.tick`. The display refreshes itself."""

    def end(self) -> None:
        """See :meth:`View.end`."""
        self._live.stop()

    def _render(self) -> RenderableType:
        parts = [_count(self._progress), _left(self._progress)]
        parts += [f"{name} {count}" for name, count in self._progress.outcomes.items()]
        foot = Text(" · ".join(part for part in parts if part), style="bold", no_wrap=True, overflow="ellipsis")
        return Group(self._running(), foot)

    def _running(self) -> Table:
        """What runs, for how long, and where it stands: step, phase, and how far in it."""
        now = time.monotonic()
        running = self._progress.running
        table = Table(box=None, pad_edge=False, show_header=bool(running), header_style="dim")
        table.add_column("running", no_wrap=True, overflow="ellipsis")
        table.add_column("for", justify="right", no_wrap=True)
        table.add_column("at", no_wrap=True, overflow="ellipsis")
        for trial in running:
            row = (trial.label, duration(now - trial.since), trial.line)
            table.add_row(*map(Text, row), style="yellow" if trial.suspicious else "")
        return table


def view_for(stream: TextIO) -> View:
    """A live display if ``stream`` is a terminal, else plain lines."""
    return LiveView(Console(file=stream)) if stream.isatty() else PlainView(stream)


def _count(progress: Progress) -> str:
    return f"[{progress.done}]" if progress.total is None else f"[{progress.done}/{progress.total}]"


def _left(progress: Progress) -> str:
    left_s = progress.left_s
    return "" if left_s is None else f"about {duration(left_s)} left"


def _ending(observation: Observation) -> str:
    took = f" after {duration(observation.wall_s)}" if observation.wall_s is not None else ""
    return f"{observation.headline}{took}" + (f" ({observation.summary})" if observation.summary else "")


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 5 min``"""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
