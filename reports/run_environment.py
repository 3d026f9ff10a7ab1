"""What a run was, and what it ran on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from probes.diagnosis import Diagnosis
from reports import markdown as md


def section(diagnosis: Diagnosis) -> Iterator[str]:
    """The whole section."""
    environment = diagnosis.environment
    training = _mapping(environment.get("training"))
    yield "## The run"
    yield md.table(("", ""), list(_rows(diagnosis, environment, training)))
    hyperparameters = _mapping(training.get("hyperparameters"))
    if hyperparameters:
        rows = [(md.code(name), md.code(value)) for name, value in hyperparameters.items()]
        yield md.fold("Hyperparameters", md.table(("name", "value"), rows))
    packages = _mapping(environment.get("packages"))
    if packages:
        pinned = "\n".join(f"{name}=={version}" for name, version in sorted(packages.items()))
        yield md.fold(f"All {len(packages)} packages of the environment", md.block(pinned))


def _rows(
    diagnosis: Diagnosis, environment: Mapping[str, Any], training: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    libraries = _mapping(training.get("libraries"))
    yield "command", md.code(shlex.join(diagnosis.command))
    trained = [str(training[name]) for name in ("algorithm", "policy", "device") if training.get(name)]
    if trained:
        yield "training", md.text(", ".join(trained))
    yield "Python", md.text(environment.get("python") or "—")
    yield "libraries", md.text(", ".join(f"{name} {version}" for name, version in libraries.items()) or "—")
    yield "platform", md.text(environment.get("platform") or "—")
    yield "processor", md.text(_mapping(environment.get("cpu")).get("model") or "—")
    yield "GPU", md.text(environment.get("gpu") or "none seen")
    yield "WSL", "yes" if environment.get("wsl") else "no"
    yield "files", ", ".join(md.code(path) for path in diagnosis.artifacts.values()) or "—"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
