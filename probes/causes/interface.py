"""What a known cause is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from probes import code
from probes.diagnosis import Culprit
from probes.verdicts import Verdict


@dataclass(frozen=True)
class Error:
    """An error as a matcher looks at it."""

    type: str
    """Without its module; empty if unknown."""
    message: str
    frames: tuple[tuple[str, str], ...]
    """Function and file, innermost first."""

    def raised_in(self, functions: Iterable[str], file: str) -> bool:
        """
        Whether the code that raised it is one of these functions; a comprehension is a part of its function.

        :param file: a part of its file's path.
        """
        function, path = next((frame for frame in self.frames if not code.is_comprehension(frame[0])), ("", ""))
        return function in functions and file in path

    def passed(self, functions: Iterable[str], file: str) -> bool:
        """Whether one of these functions was on the way to the place that raised it."""
        return any(function in functions and file in path for function, path in self.frames)


@dataclass(frozen=True)
class Finding:
    """What a matcher may look at: only what was observed of the run."""

    verdict: Verdict
    phase: str | None
    culprit: Culprit | None
    details: dict[str, dict[str, Any]]
    """Kind of evidence to its figures."""
    facts: dict[str, Any]
    """The training set-up as the agent read it; empty without one."""

    @property
    def chain(self) -> list[dict[str, Any]]:
        """The waits on the way to the end of a chain or around a circle; empty if nobody waits for another."""
        found = self.details.get("wait-cycle") or self.details.get("waits-on-peer") or {}
        return list(found.get("chain") or ())

    @property
    def wait(self) -> dict[str, Any] | None:
        """What the training waits on: the last of its threads on the way to the end of the chain; None if unknown."""
        chain = self.details.get("wait-cycle") or self.details.get("waits-on-peer") or {}
        nearest = chain.get("nearest")
        own = [wait for wait in self.chain if nearest is not None and wait["pid"] == nearest["pid"]]
        if own:
            return own[-1]
        kinds = ("waits-outside", "waits-on-lock", "waits-for-a-while", "waits")
        return next((found for kind in kinds if (found := self.details.get(kind, {}).get("wait")) is not None), None)

    @property
    def signal(self) -> str | None:
        """The signal that ended the run, or the worker whose end ended it; None if none did."""
        died = self.details.get("ended-by-signal") or self.details.get("worker-killed") or {}
        return died.get("signal")

    @property
    def error(self) -> Error | None:
        """The error that ended the run, or the worker whose end ended it; None if none did."""
        kinds = ("worker-raised", "worker-out-of-memory", "uncaught-exception", "memory-error")
        found = next((self.details[kind] for kind in kinds if kind in self.details), None)
        if found is None:
            return None
        rows = found.get("frames") or []
        if rows and isinstance(rows[0], dict):
            rows = [(row["function"], row["file"]) for row in reversed(rows)]
        frames = [(code.bare(row[0]), row[1]) for row in rows]
        return Error(str(found.get("type") or ""), str(found.get("message") or ""), tuple(frames))

    @property
    def frames(self) -> list[tuple[str, str]]:
        """Function and file of the thread that stands still, innermost first; empty if there is no stack of it."""
        for kind in ("stack-still", "stack-in-place", "stack-in-loop", "stack-moving"):
            if kind in self.details:
                return [(code.bare(function), file) for function, file, _ in self.details[kind]["frames"]]
        return []

    def stands_in(self, function: str, file: str) -> bool:
        """
        Whether that thread is in a function.

        :param file: a part of its file's path.
        """
        return any(name == function and file in path for name, path in self.frames)

    def ends_in(self, function: str, file: str) -> bool:
        """Whether the main thread is in a function while the interpreter shuts down; as :meth:`stands_in`."""
        frames = self.details.get("trained-but-stays", {}).get("frames") or ()
        return any(code.bare(name) == function and file in path for name, path, _ in frames)

    def waits_in(self, *libraries: str) -> bool:
        """Whether that thread waits in native code of one of these libraries; a part of their names is enough."""
        frames = self.details.get("native-stack", {}).get("frames") or ()
        return any(library in path for _, path, _ in frames for library in libraries)


@dataclass(frozen=True)
class Cause:
    """A mechanism that is understood."""

    id: str
    title: str
    """What it is, as a clause that goes on after "because": no capital, no full stop."""
    explanation: str
    """Why it happens, in plain words."""
    advice: str
    """What gets the run moving."""
    reference: str
    matches: Callable[[Finding], bool]
