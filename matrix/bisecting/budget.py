"""How much a search may cost: ``20`` runs, or ``30m``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matrix.bisecting.runs import Ended, Run, spent_s
from matrix.environments.amounts import parse_age


@dataclass(frozen=True)
class Budget:
    """Of the whole search, what earlier calls spent included; None is no limit."""

    runs: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """
        :raises ValueError: neither a number of runs nor a length of time; the message says what would be right.
        """
        if re.fullmatch(r"[0-9]+", text, re.ASCII) and int(text):
            return cls(runs=int(text))
        try:
            seconds = parse_age(text)
        except ValueError:
            seconds = 0
        if seconds <= 0:
            raise ValueError(f"{text!r} is no budget; write a number of runs, such as 20, or a time, such as 30m or 2h")
        return cls(seconds=seconds)

    def used_up(self, runs: Sequence[Run[Any]]) -> bool:
        """Whether no further run may be started."""
        tried = sum(run.ended is not Ended.UNRESOLVED for run in runs)
        over = self.runs is not None and tried >= self.runs
        return over or (self.seconds is not None and spent_s(runs) >= self.seconds)

    def __str__(self) -> str:
        if self.runs is not None:
            return f"{self.runs} runs"
        return "none" if self.seconds is None else f"{self.seconds / 60:g} min"
