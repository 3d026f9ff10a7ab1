"""
What became of each remedy in this process: lines of JSON in ``remedies-<pid>.jsonl``, beside the flight file.

``waiting`` for its occasion, ``applied`` once it has really made a difference, or ``refused``.
"""

from __future__ import annotations

import json
import os

from .. import layout

WAITING = "waiting"
APPLIED = "applied"
REFUSED = "refused"

_told: set[tuple[int, str, str]] = set()
"""Process, remedy and state: each is told once."""


def note(name: str, state: str, says: str, value: str | None = None) -> None:
    """
    Writes down what became of a remedy; nothing in here raises.

    :param says: why, in a clause.
    :param value: its value; told once, in the first line.
    """
    folder = os.environ.get(layout.FOLDER_VARIABLE)
    key = (os.getpid(), name, state)
    if not folder or key in _told:
        return
    _told.add(key)
    line = {"id": name, "state": state, "says": says}
    if value is not None:
        line["value"] = value
    path = os.path.join(folder, "remedies-%d.jsonl" % os.getpid())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, (json.dumps(line) + "\n").encode())
        finally:
            os.close(descriptor)
    except OSError:
        pass
