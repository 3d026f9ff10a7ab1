"""
Loaded by workers that a sweep starts on its own machine: a Ctrl-C at the terminal is for the sweep to decide on.

They are born with SIGINT blocked, so that one that comes while they start does not end them.
"""

from __future__ import annotations

import signal


def dask_setup(_worker: object) -> None:
    """Called by Dask in the worker's main thread."""
    # A handler that does nothing, and not SIG_IGN: that would be passed on to the training programs.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
