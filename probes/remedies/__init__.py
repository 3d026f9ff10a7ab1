"""
Remedies as the supervisor knows them: what there is, what was asked for, and what became of it.

What each one does, and what it says of itself, is in ``agent/remedies``: a module each, added to ``MODULES`` there.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import json
import math
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes import agent
from probes.agent.remedies import MODULES
from probes.agent.remedies.interface import Remedy
from probes.agent.remedies.log import APPLIED, REFUSED, WAITING
from probes.diagnosis import Diagnosis
from probes.diagnosis import Remedy as Proposal
from probes.errors import InputError
from probes.system import cgroup

REMEDIES: tuple[Remedy, ...] = tuple(
    importlib.import_module(f"{agent.__name__}.remedies.{module}").REMEDY for module in MODULES.values()
)


class UnknownRemedyError(InputError, ValueError):
    """No such remedy, or a value that it can't take; the text is one line that says what would be right."""


@dataclass(frozen=True)
class Choice:
    """A remedy with its value."""

    remedy: Remedy
    value: str | None = None
    """None is its default, which may depend on the machine."""

    def word(self, cpus: Collection[int] | None = None) -> str:
        """
        As the agent is told: ``threads=2``.

        :param cpus: cores that the command may use; None is all of ours.
        """
        parameter = self.remedy.parameter
        if parameter is None:
            return self.remedy.id
        return f"{self.remedy.id}={self.value or parameter.default or usable_threads(cpus)}"

    def __str__(self) -> str:
        return f"{self.remedy.id}={self.value}" if self.value else self.remedy.id


@dataclass(frozen=True)
class Told:
    """What became of a remedy that was asked for, in all processes of the run together."""

    id: str
    value: str
    """Empty if it has none."""
    state: str
    """``applied``, ``refused`` or ``waiting`` (its occasion did not come); ``applied`` if it was in any process."""
    says: str

    @property
    def applied(self) -> bool:
        return self.state == APPLIED


def by_id(remedy_id: str) -> Remedy | None:
    """The remedy with that id; None if there is none."""
    return next((remedy for remedy in REMEDIES if remedy.id == remedy_id), None)


def curing(cause_id: str | None) -> tuple[Remedy, ...]:
    """The remedies that remove a known cause."""
    return tuple(remedy for remedy in REMEDIES if cause_id in remedy.cures)


def choose(text: str) -> Choice:
    """
    Reads ``ID`` or ``ID=VALUE``.

    :raises UnknownRemedyError: there is no such remedy, or it can't take that value.
    """
    name, given, value = text.partition("=")
    remedy = by_id(name)
    if remedy is None:
        known = [item.id for item in REMEDIES]
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UnknownRemedyError(f"unknown remedy {name!r}; {hint}known: {', '.join(map(usage, REMEDIES))}")
    if not given:
        return Choice(remedy)
    if remedy.parameter is None:
        raise UnknownRemedyError(f"remedy {name!r} takes no value; give {name}")
    try:
        return Choice(remedy, remedy.parameter.check(value))
    except ValueError as error:
        raise UnknownRemedyError(f"remedy {name!r}: {error}") from error


def choose_all(texts: Iterable[str]) -> tuple[Choice, ...]:
    """
    As :func:`choose`, for several.

    :raises UnknownRemedyError: also if one is given twice.
    """
    choices = tuple(map(choose, texts))
    for at, choice in enumerate(choices):
        if any(other.remedy is choice.remedy for other in choices[:at]):
            raise UnknownRemedyError(f"remedy {choice.remedy.id!r} is given twice; give it once")
    return choices


def usage(remedy: Remedy) -> str:
    """How it is asked for: ``fused-lstm``, ``threads[=N]``."""
    return f"{remedy.id}[={remedy.parameter.name}]" if remedy.parameter else remedy.id


def usable_threads(cpus: Collection[int] | None = None) -> int:
    """How many threads can run at once: by cores, and by the CPU quota of the control group."""
    cores = len(cpus or os.sched_getaffinity(0))
    quota = cgroup.Groups(None).read().cpu_quota_cores
    return cores if quota is None else max(1, min(cores, math.floor(quota)))


def told(flight: Path) -> tuple[Told, ...]:
    """
    What the agent wrote down of the remedies; lines that make no sense are passed over.

    :param flight: the run's folder of flight files.
    """
    lines: dict[str, list[dict[str, str]]] = {}
    for path in sorted(flight.glob("remedies-*.jsonl")):
        for line in _lines(path):
            lines.setdefault(line["id"], []).append(line)
    return tuple(_together(remedy_id, found) for remedy_id, found in lines.items())


def _lines(path: Path) -> Iterable[dict[str, str]]:
    try:
        texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for text in texts:
        try:
            value: Any = json.loads(text)
        except ValueError:
            continue
        if isinstance(value, dict) and all(isinstance(value.get(key), str) for key in ("id", "state", "says")):
            yield value


def _together(remedy_id: str, lines: Sequence[dict[str, str]]) -> Told:
    value = next((str(line["value"]) for line in lines if "value" in line), "")
    for state in (APPLIED, REFUSED, WAITING):
        says = dict.fromkeys(line["says"] for line in lines if line["state"] == state)
        if says:
            return Told(remedy_id, value, state, "; ".join(says))
    return Told(remedy_id, value, WAITING, "")


def noted(diagnosis: Diagnosis, flight: Path) -> Diagnosis:
    """
    The diagnosis with what became of the remedies, in ``environment.training.remedies``, and with those that remove
    its cause and were not applied, unproven.
    """
    found = told(flight)
    environment = diagnosis.environment
    if found:
        entries = {item.id: {"value": item.value, "state": item.state, "says": item.says} for item in found}
        environment = {**environment, "training": {**(environment.get("training") or {}), "remedies": entries}}
    applied = {item.id for item in found if item.applied}
    proposals = tuple(
        Proposal(remedy.id, f"{remedy.changes}. {remedy.results}")
        for remedy in curing(diagnosis.cause)
        if remedy.id not in applied
    )
    return dataclasses.replace(diagnosis, environment=environment, remedies=proposals)


def of(diagnosis: Diagnosis) -> tuple[Told, ...]:
    """What became of the remedies of a run, from its diagnosis."""
    entries = (diagnosis.environment.get("training") or {}).get("remedies") or {}
    return tuple(Told(remedy_id, **entry) for remedy_id, entry in entries.items())
