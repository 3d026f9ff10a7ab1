"""What ``freezelab extend`` says while it trains, and at its end."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, TextIO

from matrix.extending import ledger
from matrix.extending.course import Telling
from matrix.extending.extension import LEDGER_FILE, Extension
from matrix.extending.ledger import Row
from matrix.extending.piece import Attempt
from matrix.extending.training import Ended
from probes.agent.remedies.interface import Remedy
from probes.diagnosis import Diagnosis
from probes.diagnosis import Remedy as Proof
from probes.watch import Status
from reports import plain, preflight_text, remedies_text, terminal, wording

SCHEMA = "freezelab.extend/1"
_QUIET_EVERY_S = 30.0


class Live(Telling):
    """A line for each piece that is done, and below them one that is redrawn; to standard error."""

    def __init__(self, extension: Extension, stream: TextIO | None = None) -> None:
        self._extension, self._stream = extension, stream or sys.stderr
        self._tty = self._stream.isatty()
        self._drawn = False
        self._shown_s = time.monotonic()
        self._pace_s: float | None = None
        """Seconds for a step, as the last piece took."""
        self._steps = extension.base.steps
        self._warned: set[str] = set()

    def clear(self) -> None:
        """Takes the redrawn line away."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False

    def note(self, text: str) -> None:
        self._say(f"freezelab: {plain.line(text)}")

    def status(self, number: int, status: Status) -> None:
        for item in status.warned:
            if item.id not in self._warned:  # each piece would warn of the same again
                self._warned.add(item.id)
                self.note(preflight_text.line(item))
        if status.diagnosis is not None and status.diagnosis.verdict.stands_for_good:
            self.note(status.diagnosis.summary)
        if not self._tty and time.monotonic() - self._shown_s < _QUIET_EVERY_S:
            return
        self._shown_s = time.monotonic()
        step = max(self._steps, min(status.step or 0, self._extension.to))
        parts = [f"piece {number}", _share(self._extension, step), self._left(step), status.line]
        line = plain.line(" · ".join(part for part in parts if part))
        if self._tty:
            self.clear()
            self._stream.write(line)
            self._stream.flush()
            self._drawn = True
        else:
            self._say(line)

    def trained(self, row: Row, diagnosis: Diagnosis | None) -> None:
        steps = row["after"]["steps"] - row["before"]["steps"]
        if row["wall_s"] and steps > 0:
            self._pace_s = row["wall_s"] / steps
        self._steps = row["after"]["steps"]
        self._say(piece_line(row))
        if row["environment_lost"] and row["number"] == 2:
            self.note(
                f"the environment began anew at this piece, for {row['environment_lost']}: an episode was cut off, and "
                "what is trained is not bit by bit what one run would have trained"
            )

    def failed(self, attempt: Attempt, next_remedy: Remedy | None) -> None:
        after = f"; trying again with {next_remedy.id}" if next_remedy else ""
        self._say(
            f"piece {attempt.number:<4} attempt {attempt.attempt} failed after {wording.seconds(attempt.wall_s)}: "
            f"{plain.line(attempt.diagnosis.summary).removesuffix('.')}{after}"
        )

    def proven(self, proof: Proof, *, kept: bool) -> None:
        self._say(f"freezelab: {plain.line(remedies_text.proof(proof))}")
        if kept:
            self._say(f"freezelab: {proof.id} stays on for the pieces that follow")
        elif proof.verified:
            self._say(f"freezelab: to go on with it, press Ctrl-C and add --remedy {proof.id} to the same command")

    def _left(self, step: int) -> str:
        if self._pace_s is None:
            return ""
        return f"about {duration((self._extension.to - step) * self._pace_s)} left"

    def _say(self, line: str) -> None:
        self.clear()
        self._stream.write(f"{line}\n")
        self._stream.flush()


def duration(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def piece_line(row: Row) -> str:
    """A piece that was trained, as one line."""
    before, after = row["before"], row["after"]
    took = wording.seconds(row["wall_s"])
    said = row["verdict"] or "not watched to its end"
    return (
        f"piece {row['number']:<4} {before['steps']:>9,} → {after['steps']:>9,}   {took:>8}   {said}   "
        f"weights {before['weights'][:8]} → {after['weights'][:8]}"
    )


def text(extension: Extension, ended: Ended) -> str:
    """How it ended."""
    pieces = [row for row in ended.rows if row["kind"] == ledger.PIECE]
    failures = sum(row["kind"] == ledger.FAILURE for row in ended.rows)
    reached = pieces[-1]["after"]["steps"] if pieces else extension.base.steps
    rows = [
        ("steps", f"{extension.base.steps:,} → {reached:,}; {extension.to:,} were asked for"),
        ("pieces", _pieces(pieces, failures)),
        ("ledger", str(extension.out / LEDGER_FILE)),
    ]
    if ended.model is not None:
        rows += [("model", str(ended.model)), ("check", f"freezelab audit {ended.model}")]
    else:
        times = max((row["times"] for row in ended.rows if row["kind"] == ledger.FAILURE), default=0)
        rows.append(("given up", f"piece {_number(ended)} failed {wording.count(times, 'time')} in the same way"))
        if pieces:
            rows.append(("safe", f"{extension.out / 'checkpoints'} holds what was trained"))
    lines = [f"{name:<9} {plain.line(says)}" for name, says in rows]
    if ended.given_up is not None:
        folder = ended.given_up.folder
        lines += ["", terminal.summary(ended.given_up.diagnosis), f"evidence  {plain.line(folder)}"]
    return "\n".join(lines)


def as_json(extension: Extension, ended: Ended) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": SCHEMA,
        "model": None if ended.model is None else str(ended.model),
        "base": dataclasses.asdict(extension.base) | {"path": str(extension.base.path)},
        "to": extension.to,
        "ledger": list(ended.rows),
        "given_up": None if ended.given_up is None else ended.given_up.diagnosis.to_json(),
    }


def _share(extension: Extension, step: int) -> str:
    begin, end = extension.base.steps, extension.to
    return f"step {step:,} of {end:,} ({(step - begin) / (end - begin):.0%})".replace("%", " %")


def _pieces(pieces: Sequence[Row], failures: int) -> str:
    verdicts = Counter(row["verdict"] or "not watched to its end" for row in pieces)
    told = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common())
    known = [row["wall_s"] for row in pieces if row["wall_s"] is not None]
    failed = f"; {wording.count(failures, 'attempt')} failed" if failures else ""
    return f"{len(pieces)} in {duration(sum(known))}{f': {told}' if told else ''}{failed}"


def _number(ended: Ended) -> int:
    return 0 if ended.given_up is None else ended.given_up.number
