"""
What a command prints, kept in a file of bounded size and shown as it comes.

The command writes straight into the file: it can neither be stalled by a slow reader nor get a broken pipe
when FreezeLab dies. The middle of what grows too long is given back to the disk while it runs.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

_KEEP_HEAD_BYTES = 4 << 20
_KEEP_TAIL_BYTES = 4 << 20
_BLOCK_BYTES = 4096
_CHUNK_BYTES = 1 << 16
_FALLOC_KEEP_SIZE_AND_PUNCH_HOLE = 0x01 | 0x02


class OutputLog:
    """
    One output stream of a command.

    :param path: where it is kept; must not exist yet.
    :param show: called with each new piece; None to keep it quiet.
    """

    def __init__(self, path: Path, show: Callable[[bytes], None] | None = None) -> None:
        self.path = path
        self._show = show
        self._seen = 0
        self._punched_to = _KEEP_HEAD_BYTES
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o644)

    def pump(self) -> None:
        """Shows what is new, and keeps the file within its size."""
        size = os.fstat(self.descriptor).st_size
        if self._show is not None:
            try:
                self._show_new(self._show, size)
            except OSError:
                self._show = None  # nobody reads any more: no reason to end the training
        until = (size - _KEEP_TAIL_BYTES) // _BLOCK_BYTES * _BLOCK_BYTES
        if until > self._punched_to:
            _punch_hole(self.descriptor, self._punched_to, until - self._punched_to)
            self._punched_to = until

    def _show_new(self, show: Callable[[bytes], None], size: int) -> None:
        while self._seen < size:
            if size - self._seen > _KEEP_TAIL_BYTES:
                show(f"\n[... {size - self._seen - _KEEP_TAIL_BYTES} bytes not shown ...]\n".encode())
                self._seen = size - _KEEP_TAIL_BYTES
            piece = os.pread(self.descriptor, min(_CHUNK_BYTES, size - self._seen), self._seen)
            if not piece:
                break
            self._seen += len(piece)
            show(piece)

    def close(self) -> None:
        """Shows the rest and closes; a file with a hole becomes head, a line that says so, and tail."""
        self.pump()
        size = os.fstat(self.descriptor).st_size
        if self._punched_to > _KEEP_HEAD_BYTES:
            head = os.pread(self.descriptor, _KEEP_HEAD_BYTES, 0)
            tail = os.pread(self.descriptor, size - self._punched_to, self._punched_to)
            left_out = self._punched_to - _KEEP_HEAD_BYTES
            short = self.path.with_name(self.path.name + ".tmp")
            short.write_bytes(head + f"\n[... {left_out} bytes left out ...]\n".encode() + tail)
            short.replace(self.path)
        os.close(self.descriptor)

    def tail(self, n_bytes: int) -> str:
        """The last bytes as text; to be called before :meth:`close`."""
        size = os.fstat(self.descriptor).st_size
        start = max(size - n_bytes, 0)
        return os.pread(self.descriptor, size - start, start).decode("utf-8", "replace")


def _punch_hole(descriptor: int, start: int, length: int) -> None:
    """Gives blocks back to the disk; a file system that can't (or a libc without the call) keeps them."""
    fallocate = getattr(ctypes.CDLL(None), "fallocate", None)
    if fallocate is not None:
        fallocate(descriptor, _FALLOC_KEEP_SIZE_AND_PUNCH_HOLE, ctypes.c_int64(start), ctypes.c_int64(length))
