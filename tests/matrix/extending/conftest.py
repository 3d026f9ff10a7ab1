"""A training program that trains nothing, and leaves checkpoints as the real one does."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from matrix.extending.extension import Base, Extension, sha256
from matrix.extending.ledger import Row
from matrix.extending.piece import Attempt
from probes import remedies
from probes.agent.remedies.interface import Remedy
from probes.agent.remedies.log import APPLIED
from probes.diagnosis import Culprit, Diagnosis, Timing
from probes.diagnosis import Remedy as Proof
from probes.verdicts import Verdict
from probes.watch import Status, WatchOptions

ROLLOUT = 32


@dataclass
class Program:
    """As :func:`probes.watch.watch` runs it; what it does is told beforehand, run by run."""

    plan: list[Verdict] = field(default_factory=list)
    """Verdicts of its first runs; healthy afterwards."""
    cause: str | None = None
    """Of all that fails or is slow."""
    cured_by: str | None = None
    """A remedy with which all is well whatever the plan."""
    after: Callable[[Path], None] = lambda _: None
    """Called with each new checkpoint."""
    refuses: str | None = None
    commands: list[list[str]] = field(default_factory=list)
    applied: list[list[str]] = field(default_factory=list)

    def __call__(self, command: Sequence[str], options: WatchOptions) -> Diagnosis:
        words = list(command)
        self.commands.append(words)
        ids = [choice.remedy.id for choice in options.remedies]
        self.applied.append(ids)
        verdict = self.plan.pop(0) if self.plan else Verdict.HEALTHY
        if self.cured_by in ids:
            verdict = Verdict.HEALTHY
        options.out.mkdir(parents=True)
        if self.refuses:
            Path(_after(words, "--answer")).write_text(json.dumps({"refused": self.refuses}))
            verdict = Verdict.EXCEPTION
        elif verdict in (Verdict.HEALTHY, Verdict.SLOW_PHASE, Verdict.CORRUPTION):
            self.after(_leave_checkpoint(words))
        return self._diagnosis(verdict, words, ids)

    def _diagnosis(self, verdict: Verdict, words: list[str], ids: list[str]) -> Diagnosis:
        well = verdict is Verdict.HEALTHY
        slow = verdict is Verdict.SLOW_PHASE
        cause = None if well else self.cause
        train_s = 15.0 if slow else 2.5
        step = _count(words)[1]
        return Diagnosis(
            verdict,
            1.0,
            "as planned",
            tuple(words),
            Timing(0.1, iterations=({"step": step if well or slow else 0, "collect_s": 1.0, "train_s": train_s},)),
            phase=None if well else "train",
            step=step if well or slow else 0,
            culprit=None if well else Culprit("stand", "x.py", 1, None, None),
            cause=cause,
            remedies=tuple(Proof(item.id, "") for item in remedies.curing(cause) if item.id not in ids),
            environment={
                "training": {"remedies": {name: {"value": "", "state": APPLIED, "says": "applied"} for name in ids}}
            },
        )


def _after(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def _count(words: list[str]) -> tuple[int, int]:
    """Steps before and after."""
    before = int(_after(words, "--begin"))
    if "--checkpoint" in words:
        before = json.loads((Path(_after(words, "--checkpoint")) / "checkpoint.json").read_text())["after"]["steps"]
    steps = min(int(_after(words, "--steps")), int(_after(words, "--to")) - before)
    return before, before + -(-steps // ROLLOUT) * ROLLOUT


def _leave_checkpoint(words: list[str]) -> Path:
    before, after = _count(words)
    folder = Path(_after(words, "--into"))
    folder.mkdir(parents=True)
    model = b"model of %d" % after
    (folder / "model.zip").write_bytes(model)
    told = {
        "schema": "freezelab.checkpoint/1",
        "before": {"steps": before, "updates": before, "weights": f"w{before}"},
        "after": {"steps": after, "updates": after, "weights": f"w{after}"},
        "versions": {"torch": "2"},
        "files": {"model.zip": {"bytes": len(model), "sha256": hashlib.sha256(model).hexdigest()}},
    }
    (folder / "checkpoint.json").write_text(json.dumps(told))
    return folder


@dataclass
class Told:
    """Remembers what it is told."""

    notes: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    failures: list[tuple[str, str | None]] = field(default_factory=list)
    proofs: list[tuple[str, bool, bool]] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def status(self, number: int, status: Status) -> None:
        pass

    def trained(self, row: Row, diagnosis: Diagnosis | None) -> None:
        self.rows.append(row)

    def failed(self, attempt: Attempt, next_remedy: Remedy | None) -> None:
        self.failures.append((attempt.signature, next_remedy.id if next_remedy else None))

    def proven(self, proof: Proof, *, kept: bool) -> None:
        self.proofs.append((proof.id, proof.verified, kept))


@pytest.fixture
def program() -> Program:
    return Program()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def extension(tmp_path: Path) -> Extension:
    """From step 64 to 200: four pieces of a rollout each, and a last one that goes to 224."""
    base = tmp_path / "base.zip"
    base.write_bytes(b"a model")
    return Extension(
        Base(base, sha256(base), 64, "PPO", base.stat().st_size, "trained"),
        to=200,
        piece_steps=20,
        out=tmp_path / "out",
        python=Path(sys.executable),
        training=("--env", "dummy"),
    )
