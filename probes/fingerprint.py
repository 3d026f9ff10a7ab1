"""
A run's fingerprint: the checksums of its rollouts. Two runs with the same seed have the same one.

Written by the agent (``agent/checks/fingerprint.py``) beside the flight file, a line of JSON for each rollout.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ORDER = (
    "observations",
    "hidden_states_pi",
    "cell_states_pi",
    "hidden_states_vf",
    "cell_states_vf",
    "action_masks",
    "actions",
    "log_probs",
    "values",
    "rewards",
    "episode_starts",
    "advantages",
    "returns",
)
"""In the order of cause and effect within a step: of several arrays that differ the first is told."""


@dataclass(frozen=True)
class Rollout:
    """The checksums of one filled rollout buffer."""

    number: int
    """Counted from 1; a rollout that was not looked at is missing."""
    step: int
    """The step count as callbacks saw it last."""
    envs: int
    steps: int
    """Rows of each environment."""
    rows: int
    """Rows of one block."""
    group: int
    """Blocks joined in one checksum."""
    arrays: dict[str, tuple[str, ...]]
    """Array to its checksums, environment by environment."""

    def place(self, checksum: int) -> tuple[int, tuple[int, int]]:
        """The environment and the first and last row that a checksum begins with."""
        per_env = -(-self.steps // self.rows)
        env, block = divmod(checksum * self.group, per_env)
        last = min((block + self.group) * self.rows, self.steps) - 1
        return env, (block * self.rows, last)


@dataclass(frozen=True)
class Difference:
    """Where two runs part."""

    rollout: int
    step: int
    array: str | None
    """None if the buffers differ in shape, or one of the runs has no more rollouts."""
    env: int | None = None
    rows: tuple[int, int] | None = None

    @property
    def says(self) -> str:
        """One sentence."""
        where = f"rollout {self.rollout} (step {self.step})"
        if self.array is None or self.rows is None:
            return f"the runs are of different length or shape from {where} on"
        rows = f"row {self.rows[0]}" if self.rows[0] == self.rows[1] else f"rows {self.rows[0]}..{self.rows[1]}"
        return f"the runs first differ in {where}: {self.array}, {rows} (env {self.env})"


def read(flight: Path) -> list[Rollout]:
    """
    The fingerprint of a run: that of the process with most rollouts. Lines that make no sense are passed over.

    :param flight: the run's folder of flight files.
    """
    found = [_read_file(path) for path in sorted(flight.glob("fingerprint-*.jsonl"))]
    return max(found, key=len, default=[])


def _read_file(path: Path) -> list[Rollout]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    parsed = (_parse(line) for line in lines)
    return [rollout for rollout in parsed if rollout is not None]


def _parse(line: str) -> Rollout | None:
    try:
        value: Any = json.loads(line)
        numbers = [value[key] for key in ("rollout", "step", "envs", "steps", "rows", "group")]
        arrays = {
            str(name): tuple(sums[start : start + 8] for start in range(0, len(sums), 8))
            for name, sums in value["arrays"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if not all(isinstance(number, int) for number in numbers) or min(numbers[2:]) < 1:
        return None
    number, step, envs, steps, rows, group = numbers
    return Rollout(number, step, envs, steps, rows, group, arrays)


def compare(one: Sequence[Rollout], other: Sequence[Rollout]) -> Difference | None:
    """
    Where two runs first differ; None if they agree.

    Only rollouts that both looked at are compared. A run that merely stopped earlier differs from there on.
    """
    others = {rollout.number: rollout for rollout in other}
    for rollout in one:
        twin = others.get(rollout.number)
        if twin is not None and (difference := _difference(rollout, twin)) is not None:
            return difference
    last = [max((rollout.number for rollout in run), default=0) for run in (one, other)]
    if last[0] != last[1]:
        longer = one if last[0] > last[1] else other
        rollout = next(item for item in longer if item.number > min(last))
        return Difference(rollout.number, rollout.step, None)
    return None


def _difference(one: Rollout, other: Rollout) -> Difference | None:
    shape = (one.envs, one.steps, one.rows, one.group, one.arrays.keys())
    if shape != (other.envs, other.steps, other.rows, other.group, other.arrays.keys()):
        return Difference(one.number, one.step, None)
    for name in _by_cause(one.arrays):
        for place, (first, second) in enumerate(zip(one.arrays[name], other.arrays[name], strict=False)):
            if first != second:
                env, rows = one.place(place)
                return Difference(one.number, one.step, name, env, rows)
    return None


def _by_cause(names: Iterable[str]) -> list[str]:
    def place(name: str) -> int:
        bare = name.partition("[")[0]
        return _ORDER.index(bare) if bare in _ORDER else len(_ORDER)

    return sorted(names, key=lambda name: (place(name), name))
