"""
A census of one minibatch: which function called which, how often, on which object.

Asked for by the supervisor when an update is already slow, and over after one minibatch: it is how
"this LSTM ran once for each time step" is counted rather than guessed. Uses ``sys.setprofile``, and
leaves it alone if the program uses it itself.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any

from . import layout
from .recorder import recorder

_MIN_CALLS = 8
_MAX_ROWS = 40


class Census:
    """Counts calls between :meth:`start` and :meth:`stop`."""

    def __init__(self) -> None:
        self._counts: dict[tuple[CodeType, CodeType, str | None, int], int] | None = None
        self._count: object = None
        self._figures: dict[str, float | None] = {}

    def wanted(self) -> bool:
        """Whether the supervisor has asked for one that was not made yet."""
        words = recorder.words
        return words[layout.CENSUS_REQUEST] > words[layout.CENSUS_DONE]

    def start(self, figures: dict[str, float | None]) -> None:
        """
        Begins to count, unless somebody else profiles.

        :param figures: what else is to be told of this minibatch.
        """
        self._figures = figures
        if sys.getprofile() is not None:
            recorder.words[layout.CENSUS_DONE] = recorder.words[layout.CENSUS_REQUEST]
            return
        counts: dict[tuple[CodeType, CodeType, str | None, int], int] = {}
        self._counts = counts
        here = __file__

        def count(frame: FrameType, event: str, argument: object) -> None:
            if event != "call":
                return
            code = frame.f_code
            caller = frame.f_back
            if caller is None or code.co_filename == here:
                return
            owner = None
            if code.co_argcount and code.co_varnames[0] == "self":
                owner = frame.f_locals.get("self")
            key = (caller.f_code, code, type(owner).__name__ if owner is not None else None, id(owner))
            counts[key] = counts.get(key, 0) + 1

        self._count = count
        sys.setprofile(count)

    def stop(self) -> None:
        """Ends the count and writes what was called at least some times over."""
        if self._counts is None:
            return
        if sys.getprofile() is self._count:
            sys.setprofile(None)
        counts, self._counts = self._counts, None
        try:
            invocations: dict[CodeType, int] = {}
            for (_, callee, _, _), calls in counts.items():
                invocations[callee] = invocations.get(callee, 0) + calls
            rows: list[dict[str, Any]] = []
            for (caller, callee, owner, _), calls in sorted(counts.items(), key=lambda item: -item[1]):
                if calls < _MIN_CALLS or len(rows) == _MAX_ROWS:
                    break
                rows.append(
                    {
                        "caller": caller.co_name,
                        "caller_file": caller.co_filename,
                        "caller_line": caller.co_firstlineno,
                        "caller_invocations": invocations.get(caller, 1),
                        "callee": callee.co_name,
                        "callee_file": callee.co_filename,
                        "owner": owner,
                        "calls": calls,
                    }
                )
            minibatch = recorder.words[layout.MINIBATCH]
            recorder.text("census", {"minibatch": minibatch, **self._figures, "rows": rows})
        except Exception as error:  # noqa: BLE001
            recorder.fault("census", error)
        recorder.words[layout.CENSUS_DONE] = recorder.words[layout.CENSUS_REQUEST]


census = Census()
