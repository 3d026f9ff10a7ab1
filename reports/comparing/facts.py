"""What two runs or sweeps ran with: packages, settings, factors, machines; and how that differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matrix.analysis.analysis import Analysis
from matrix.plan.cells import VERSIONS
from probes.diagnosis import Diagnosis, InvalidDiagnosisError

Packages = Mapping[str, Mapping[str, str]]
"""Name of a library set to what it holds; a single run has one, with an empty name."""

_NOT_SETTINGS = frozenset({"process", "preflight", "libraries"})
"""Of the training's facts: paths of the machine, what was warned of, and what is told as packages."""


@dataclass(frozen=True)
class Change:
    """A value that differs; None where it is not known, or not there."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class SweepFacts:
    """What a sweep was about, and what it ran with."""

    factors: Mapping[str, tuple[Any, ...]]
    settings: Mapping[str, Any]
    """Of the sweep itself: design, seeds, repeats, limits."""
    packages: Packages = field(default_factory=dict)
    machine: str | None = None


def of_sweep(analysis: Analysis, folder: Path) -> SweepFacts:
    """Reads one run of each library set; of a set none of whose folders is there, the packages are not known."""
    run = analysis.plan.run
    packages: dict[str, dict[str, str]] = {}
    machine: str | None = None
    for result in analysis.ran:
        name = str(result.trial.cell.levels.get(VERSIONS, ""))
        if (name in packages and machine is not None) or result.observation.folder is None:
            continue
        try:
            diagnosis = Diagnosis.load(folder / result.observation.folder / "diagnosis.json")
        except InvalidDiagnosisError:
            continue
        machine = machine or machine_of(diagnosis)
        if packages_of(diagnosis):
            packages.setdefault(name, packages_of(diagnosis))
    settings = {"design": run.design, "seeds": list(run.seeds), "repeats": run.repeats, "limit_s": run.limit_s}
    return SweepFacts(dict(analysis.plan.factors), settings, packages, machine)


def packages_of(diagnosis: Diagnosis) -> dict[str, str]:
    """Distribution to version; empty if not known."""
    return {str(name): str(version) for name, version in (diagnosis.environment.get("packages") or {}).items()}


def machine_of(diagnosis: Diagnosis) -> str | None:
    """``AMD EPYC, 2 cores``: what durations depend on."""
    cpu = diagnosis.environment.get("cpu") or {}
    return f"{cpu['model']}, {cpu.get('cores')} cores" if cpu.get("model") else None


def settings_of(diagnosis: Diagnosis) -> dict[str, Any]:
    """Hyperparameters and the rest of what the agent saw of the training."""
    training = diagnosis.environment.get("training") or {}
    return dict(_flat({name: value for name, value in training.items() if name not in _NOT_SETTINGS}))


def surroundings_of(diagnosis: Diagnosis) -> dict[str, Any]:
    """The machine and what it runs on it."""
    environment = diagnosis.environment
    return {
        "Python": environment.get("python"),
        "platform": environment.get("platform"),
        "processor": machine_of(diagnosis),
        "GPU": environment.get("gpu"),
        "WSL": environment.get("wsl"),
    }


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """What differs; nothing if one of them is not known at all: nothing can be said to have changed then."""
    if not before or not after:
        return ()
    names = {**before, **after}
    return tuple(
        Change(name, before.get(name), after.get(name))
        for name in names
        if json.dumps(before.get(name), sort_keys=True) != json.dumps(after.get(name), sort_keys=True)
    )


def package_changes(before: Packages, after: Packages) -> tuple[Change, ...]:
    """What differs in library sets of the same name."""
    found: list[Change] = []
    for name in {**before, **after}:
        whose = f" ({name})" if name else ""
        found += (
            Change(f"{change.name}{whose}", change.before, change.after)
            for change in changes(before.get(name, {}), after.get(name, {}))
        )
    return tuple(found)


def factor_changes(before: SweepFacts, after: SweepFacts) -> tuple[Change, ...]:
    """Levels that only one of the sweeps has, factor by factor, and settings of the sweep that differ."""
    return tuple(_levels(before.factors, after.factors)) + changes(before.settings, after.settings)


def _levels(before: Mapping[str, tuple[Any, ...]], after: Mapping[str, tuple[Any, ...]]) -> Iterator[Change]:
    for name in {**before, **after}:
        one, two = before.get(name), after.get(name)
        if one is None or two is None:
            yield Change(name, _told(one), _told(two))
            continue
        gone = tuple(level for level in one if level not in two)
        new = tuple(level for level in two if level not in one)
        if gone or new:
            yield Change(name, _told(gone), _told(new))


def _told(levels: tuple[Any, ...] | None) -> str | None:
    return ", ".join(map(str, levels)) if levels else None


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}".removeprefix("hyperparameters."), inner
