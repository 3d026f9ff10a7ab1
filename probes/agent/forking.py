"""What a fork leaves behind: the other threads of the parent, and in the child the locks that they held."""

from __future__ import annotations

import os
import sys

from . import layout
from .recorder import recorder

_others = 0
"""How many other threads there were at the last fork, as the child inherits it."""


def watch() -> None:
    """Counts from now on; to be called after the recorder has asked for its own turn in the child."""
    os.register_at_fork(before=_count, after_in_child=_tell)


def _count() -> None:
    global _others
    # Not by the threading module, which would take a lock for it.
    _others = len(sys._current_frames()) - 1


def _tell() -> None:
    recorder.gauge(layout.THREADS_LEFT_BEHIND, _others)
