"""The one error that a person can do something about."""

from __future__ import annotations


class CheckpointError(ValueError):
    """A file that can't be audited; the message is one line and ready to print."""

    def __init__(self, message: str) -> None:
        """
        :param message: line breaks in it, which names from a file may hold, are written as such.
        """
        super().__init__("\\n".join(message.splitlines()))


class UnreadableError(CheckpointError):
    """A part of a file that can't be read; the rest of the file may still be told of."""
