"""
The run's fingerprint: the checksums of each rollout, a line of JSON in ``fingerprint-<pid>.jsonl``.

Written beside the flight file, read by :mod:`probes.fingerprint`. A long run keeps about 512 lines for each
doubling of its rollouts, chosen by their number alone, so that two runs keep the same ones.
"""

from __future__ import annotations

import json
import os
import struct
import zlib

from .. import layout
from ..recorder import recorder

_MAX_GROUPS = 16
"""Per array and line: the blocks of a large array are joined."""
_KEPT_BITS = 10


class Fingerprint:
    """Appends rollouts to this process's file; gives up, silently, when it can't be written."""

    def __init__(self) -> None:
        self.rollouts = 0
        """Rollouts filled so far, checked or not."""
        self._path: str | None = None
        self._descriptor = -1

    def add(self, sums: dict[str, list[int]], rows: int, steps: int, envs: int) -> None:
        """
        :param sums: array to the checksums of its blocks, environment by environment.
        :param rows: rows of a block.
        :param steps: rows of an environment.
        """
        number = self.rollouts
        if number % (1 << max(number.bit_length() - _KEPT_BITS, 0)) or not self._ready():
            return
        blocks = max(map(len, sums.values()), default=1)
        group = -(-blocks // _MAX_GROUPS)
        line = {
            "rollout": number,
            "step": recorder.words[layout.STEP],
            "rows": rows,
            "steps": steps,
            "envs": envs,
            "group": group,
            "arrays": {name: _joined(values, group) for name, values in sums.items()},
        }
        try:
            os.write(self._descriptor, (json.dumps(line, separators=(",", ":")) + "\n").encode())
        except OSError:
            os.close(self._descriptor)
            self._descriptor = -1

    def _ready(self) -> bool:
        path = recorder.path
        if path != self._path:
            # The first line, or a child after a fork: the parent's file stays the parent's.
            self._path, self._descriptor = path, -1
            if path is not None:
                name = os.path.join(os.path.dirname(path), "fingerprint-%d.jsonl" % os.getpid())
                try:
                    self._descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
                except OSError:
                    pass
        return self._descriptor >= 0


def _joined(sums: list[int], group: int) -> str:
    if group > 1:
        parts = (sums[start : start + group] for start in range(0, len(sums), group))
        sums = [zlib.crc32(struct.pack("<%dI" % len(part), *part)) for part in parts]
    return struct.pack(">%dI" % len(sums), *sums).hex()
