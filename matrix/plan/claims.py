"""Claims about a freeze, as data that a sweep can test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from matrix.plan.parameters import Level
from probes.verdicts import Verdict

Test = Literal["same", "differs", "occurs", "never"]
TESTS: tuple[Test, ...] = ("same", "differs", "occurs", "never")


@dataclass(frozen=True)
class Claim:
    """What somebody says about the freeze, and how to find out."""

    says: str
    test: Test | None
    """
    ``same``: trials that differ in ``factor`` only always end alike. ``differs``: some end differently.
    ``occurs``: some trial ends with one of ``verdicts``. ``never``: none does.
    None: no sweep of this kind can tell; ``needs`` says what could.
    """
    factor: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    where: Mapping[str, Level] = field(default_factory=dict)
    """Only trials with these levels count."""
    needs: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For ``plan.json``."""
        return {
            "says": self.says,
            "test": self.test,
            "factor": self.factor,
            "verdicts": [str(verdict) for verdict in self.verdicts],
            "where": dict(self.where),
            "needs": self.needs,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Claim:
        """Reads what :meth:`to_json` wrote."""
        return cls(
            says=value["says"],
            test=cast("Test | None", value["test"]),
            factor=value["factor"],
            verdicts=tuple(Verdict(name) for name in value["verdicts"]),
            where=value["where"],
            needs=value["needs"],
        )
