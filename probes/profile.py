"""Where the main thread spends its time: a sampled profile, taken by py-spy without stopping the process."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes import code
from probes.stacks import Frame, StackError, find_py_spy

RATE_HZ = 25


@dataclass(frozen=True)
class Share:
    """How much of the samples a function accounts for, itself or by what it calls."""

    function: str
    file: str
    line: int
    """The line it was seen on most often."""
    share: float
    """0..1 of the samples that were looked at."""
    samples: int


@dataclass(frozen=True)
class Profile:
    """Stacks of the main thread, outermost call first, the agent's own frames left out."""

    samples: tuple[tuple[Frame, ...], ...]

    def below(self, function: str) -> Profile:
        """
        The part of each sample below the innermost call of ``function``; samples without it are left out.

        The innermost, because a user's own ``train`` may call the library's; and none of torch's, whose modules
        have a ``train`` that only sets a mode.
        """
        cut = []
        for sample in self.samples:
            for place in range(len(sample) - 1, -1, -1):
                if code.bare(sample[place].function) == function and not code.is_engine(sample[place].file):
                    cut.append(sample[place + 1 :])
                    break
        return Profile(tuple(cut))

    def without(self, *functions: str) -> Profile:
        """Samples that have none of these functions."""
        names = set(functions)
        return Profile(tuple(s for s in self.samples if not any(code.bare(frame.function) in names for frame in s)))

    def shares(self) -> list[Share]:
        """All functions by share, the largest first, and of equal ones the outer first."""
        if not self.samples:
            return []
        counts: Counter[tuple[str, str]] = Counter()
        depths: Counter[tuple[str, str]] = Counter()
        lines: dict[tuple[str, str], Counter[int]] = {}
        for sample in self.samples:
            seen = set()
            for depth, frame in enumerate(sample):
                key = (code.bare(frame.function), frame.file)
                if key not in seen:
                    seen.add(key)
                    counts[key] += 1
                    depths[key] += depth
                lines.setdefault(key, Counter())[frame.line or 0] += 1
        total = len(self.samples)
        rows = [
            Share(function, file, lines[function, file].most_common(1)[0][0], count / total, count)
            for (function, file), count in counts.items()
        ]
        return sorted(rows, key=lambda row: (-row.samples, depths[row.function, row.file] / row.samples))


class Sampler:
    """
    A profile in the making.

    :param pid: the process to sample.
    :param path: where the speedscope file goes.
    :param duration_s: for how long.
    :param native: also what native code does, for which the process is stopped for some milliseconds each time.
    :raises StackError: py-spy is missing or can't be started.
    """

    def __init__(self, pid: int, path: Path, duration_s: int, *, native: bool = False) -> None:
        self.pid = pid
        self.native = native
        self.path = path
        command = [
            find_py_spy(), "record", "--native" if native else "--nonblocking", "--threads", "--full-filenames",
            "--format", "speedscope", "--rate", str(RATE_HZ), "--duration", str(duration_s), "--output", str(path),
            "--pid", str(pid),
        ]  # fmt: skip
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise StackError(f"py-spy could not be started: {error.strerror or error}") from error

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._process.poll() is not None

    def finish(self) -> Profile | None:
        """The profile; None if py-spy could not make one."""
        if self._process.poll() is None:
            # Ends by itself when the target has gone; otherwise SIGTERM, since it may ignore SIGINT.
            try:
                self._process.wait(1.0)
            except subprocess.TimeoutExpired:
                self._process.terminate()
                try:
                    self._process.wait(2.0)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
        return load(self.path, self.pid)


def load(path: Path, pid: int | None = None) -> Profile | None:
    """
    Reads the main thread's samples from a speedscope file; None if there is no readable one.

    :param pid: the process; its main thread has no name unless the program has imported ``threading``.
    """
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
        frames = [_frame(item) for item in value["shared"]["frames"]]
        samples = []
        for profile in value["profiles"]:
            name = profile["name"]
            if '"MainThread"' in name or name.startswith(f"Thread {pid} "):
                for sample in profile["samples"]:
                    stack = [frames[number] for number in sample]
                    samples.append(tuple(f for f in stack if f.file != "?" and not code.is_ours(f.file)))
        return Profile(tuple(samples))
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return None


def _frame(item: dict[str, Any]) -> Frame:
    name, file, line = item["name"], item["file"], item["line"]
    if not (isinstance(name, str) and isinstance(file, str | None) and isinstance(line, int | None)):
        raise TypeError("not a frame")
    return Frame(name, file or "?", line)
