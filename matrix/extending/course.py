"""What is known while pieces go by, and who is told of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from matrix.extending.ahead import Starter, Waiting
from matrix.extending.checkpoints import Checkpoint
from matrix.extending.extension import Extension
from matrix.extending.ledger import Ledger, Row
from matrix.extending.piece import Attempt
from matrix.running.trial import Runner
from probes.agent.remedies.interface import Remedy
from probes.diagnosis import Diagnosis
from probes.diagnosis import Remedy as Proof
from probes.remedies import Choice
from probes.watch import Status


class Telling(Protocol):
    """Whoever shows what happens."""

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def status(self, number: int, status: Status) -> None:
        """What a piece does right now."""

    def trained(self, row: Row, diagnosis: Diagnosis | None) -> None:
        """A piece has left its checkpoint; its line of the ledger."""

    def failed(self, attempt: Attempt, next_remedy: Remedy | None) -> None:
        """A piece has not; the remedy that the next attempt is given for it."""

    def proven(self, proof: Proof, *, kept: bool) -> None:
        """What a remedy was seen to bring, and whether it is applied from now on."""


@dataclass
class Course:
    """The state of the loop."""

    extension: Extension
    book: Ledger
    telling: Telling
    runner: Runner
    starter: Starter
    last: Checkpoint | None
    """What the next piece goes on from; None is the base."""
    chosen: tuple[Choice, ...]
    """What is changed in each piece."""
    failures: Counter[str] = field(default_factory=Counter)
    """Of this piece, by signature."""
    failed: Attempt | None = None
    trying: Remedy | None = None
    """Given to the next attempt for the failure before it."""
    tried: set[str] = field(default_factory=set)
    """For this piece."""
    waiting: Waiting | None = None
    """Started for the piece after this one."""

    @property
    def number(self) -> int:
        """Of the next piece, from 1."""
        return 1 if self.last is None else self.last.number + 1

    def goes_on_from(self, checkpoint: Checkpoint) -> None:
        """A piece has been trained."""
        self.last = checkpoint
        self.failures.clear()
        self.tried.clear()
        self.failed = None

    def take_waiting(self, remedies: tuple[Choice, ...]) -> Waiting | None:
        """The process that was started ahead, if it may be the next piece; one that may not is ended."""
        waiting, self.waiting = self.waiting, None
        if waiting is None or waiting.fits(self.number, remedies):
            return waiting
        waiting.end()
        return None

    def close(self) -> None:
        """Ends what is still waiting."""
        if self.waiting is not None:
            self.waiting.end()
