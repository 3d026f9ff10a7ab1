"""
Two runs once more, up to where they part: there the whole rollout is stored, and the first value that differs found.

A fingerprint tells a block of rows; this tells row, element and both values.
"""

from __future__ import annotations

import contextlib
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix.bisecting.steps import Parting, rank_of
from matrix.bisecting.zoomed_update import Arrays, Update, first_update
from matrix.errors import MatrixError
from matrix.running.trial import Runner
from probes import remedies
from probes.agent.layout import ZOOM_VARIABLE
from probes.errors import InputError
from probes.watch import InterruptedRunError, Status, WatchOptions, watch


@dataclass(frozen=True)
class Value:
    """The first value that differs."""

    rollout: int
    row: int
    env: int
    array: str
    index: tuple[int, ...]
    """Within the row; empty for a single number."""
    a: str
    b: str
    """As Python writes them."""
    bits: int | None
    """How many bits of it differ; None if it is not of a fixed size."""
    differing: int
    """Elements of the rollout that differ, all arrays together."""

    @property
    def says(self) -> str:
        """One sentence."""
        at = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        bits = "" if self.bits is None else f" ({self.bits} bit{'s' * (self.bits != 1)} of it)"
        where = f"rollout {self.rollout}, row {self.row}, env {self.env}: {self.array}{at}"
        return f"{where} is {self.a} in A, {self.b} in B{bits}"


@dataclass(frozen=True)
class Zoomed:
    """What two runs differ in where they part."""

    value: Value | None
    """None: not in the rollout, this time."""
    update: Update | None
    """None: not in the update before it, or there is none."""


def zoom(
    run_a: Path,
    run_b: Path,
    parting: Parting,
    out: Path,
    *,
    runner: Runner = watch,
    on_status: Callable[[str, Status], None] = lambda _name, _status: None,
    limit_s: float | None = None,
) -> Zoomed:
    """
    Runs both commands again until the rollout is stored, and compares it and the update before it.

    :param out: gets a run's folder for each, ``a`` and ``b``.
    :raises MatrixError: a run can't be repeated, or did not come so far.
    :raises KeyboardInterrupt: Ctrl-C.
    """
    stored = [
        _again(run, out / name, parting.rollout, runner, lambda status, name=name: on_status(name, status), limit_s)  # type: ignore[misc]
        for name, run in (("a", run_a), ("b", run_b))
    ]
    updates = [_update_of(out / name, parting.rollout) for name in ("a", "b")]
    return Zoomed(first_value(parting.rollout, *stored), first_update(parting.rollout - 1, *updates))


def first_value(rollout: int, a: Arrays, b: Arrays) -> Value | None:
    """
    The earliest row, in it the array that comes first within a step; None if all is the same, bit by bit.

    :raises MatrixError: the arrays differ in name, shape or type.
    """
    if {name: (each.shape, each.dtype) for name, each in a.items()} != {n: (e.shape, e.dtype) for n, e in b.items()}:
        raise MatrixError("the two buffers differ in arrays, shape or type")
    places = []
    differing = 0
    for name in a:
        unlike = _unlike(a[name], b[name])
        differing += int(unlike.sum())
        if unlike.any():
            first = min(zip(*np.nonzero(unlike), strict=True), key=lambda at: (at[1], at[0], at[2:]))
            index = tuple(int(part) for part in first)
            places.append((rank_of(name)[0], index[1], rank_of(name)[1], index[0], name, index))
    if not places:
        return None
    _, row, _, env, name, index = min(places)
    one, other = a[name][index], b[name][index]
    bits = sum(byte.bit_count() for byte in _xor(one.tobytes(), other.tobytes()))
    return Value(rollout, row, env, name, index[2:], repr(one.item()), repr(other.item()), bits, differing)


def _unlike(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """By bits: NaN is like itself, and 0.0 is not -0.0."""
    size = one.dtype.itemsize
    raw = [np.ascontiguousarray(each).view(np.uint8).reshape(*each.shape, size) for each in (one, other)]
    return np.asarray((raw[0] != raw[1]).any(axis=-1))


def _xor(one: bytes, other: bytes) -> Iterator[int]:
    return (first ^ second for first, second in zip(one, other, strict=True))


def _again(
    run: Path, out: Path, rollout: int, runner: Runner, on_status: Callable[[Status], None], limit_s: float | None
) -> Arrays:
    command, cwd, words = _meta(run)
    flight = out.resolve() / "flight"
    for old in (*flight.glob("zoom-*.npz*"), *flight.glob("update-*.npz*")):
        old.unlink()
    options = WatchOptions(
        out=out,
        limit_s=limit_s,
        on_freeze="stop",
        env={ZOOM_VARIABLE: str(rollout)},
        cwd=cwd,
        remedies=remedies.choose_all(words),
        stacks=False,
        stdin_null=True,
        on_status=on_status,
        should_stop=lambda: _stored(flight, rollout) is not None,
    )
    try:
        with contextlib.suppress(InterruptedRunError):  # it is stored: what comes after is of no use
            runner(command, options)
    except InputError as error:
        raise MatrixError(f"{run}: its command can't be run again: {error}") from error
    path = _stored(flight, rollout)
    if path is None:
        raise MatrixError(f"{run}: run again, it did not come to the end of rollout {rollout}; see {out}")
    return _load(path)


def _update_of(out: Path, rollout: int) -> Arrays:
    path = next(iter(sorted((out / "flight").glob(f"update-*-{rollout}.npz"))), None)
    return _load(path) if path is not None else {}


def _load(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, zipfile.BadZipFile, struct.error) as error:
        raise MatrixError(f"{path}: can't be read: {error}") from error


def _stored(flight: Path, rollout: int) -> Path | None:
    return next(iter(sorted(flight.glob(f"zoom-*-{rollout}.npz"))), None)


def _meta(run: Path) -> tuple[list[str], Path, list[str]]:
    path = run / "meta.json"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        command, cwd, words = meta["command"], Path(meta["cwd"]), meta.get("remedies", [])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MatrixError(f"{path}: does not tell how the run was started ({error})") from None
    if not all(isinstance(each, list) and all(isinstance(word, str) for word in each) for each in (command, words)):
        raise MatrixError(f"{path}: command and remedies must be lists of words")
    if not command or not cwd.is_dir():
        raise MatrixError(f"{path}: its folder {cwd} is no longer there" if command else f"{path}: no command")
    return command, cwd, words
