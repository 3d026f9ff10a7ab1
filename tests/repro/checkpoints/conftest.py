"""Small checkpoints of real training, and ways to change what is in them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from repro.checkpoints.audit import Audit, audit
from tests.repro.checkpoints.making import KINDS, STEPS, Kind, quiet

Rewrite = Callable[..., Path]
KIND = {kind.name: kind for kind in KINDS}


@pytest.fixture(scope="session")
def ppo() -> Kind:
    return KIND["PPO"]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, ppo: Kind) -> Path:
    """A PPO model of 192 steps: 6 rollouts of 32, 2 epochs of 2 minibatches each, so 24 optimiser steps."""
    path = tmp_path_factory.mktemp("base") / "base.zip"
    with quiet():
        ppo.model().learn(STEPS).save(path)
    return path


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def rewrite(tmp_path: Path, base: Path) -> Rewrite:
    """Writes the base again with other data, other members, or fewer."""

    def write(
        data: Mapping[str, Any] | None = None,
        members: Mapping[str, bytes | None] | None = None,
        *,
        source: Path = base,
        name: str = "changed.zip",
        compression: int = zipfile.ZIP_STORED,
    ) -> Path:
        found: dict[str, bytes | None] = dict(members_of(source))
        values = {**json.loads(found["data"] or b""), **(data or {})}
        found["data"] = json.dumps(values).encode()
        found.update(members or {})
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", compression) as archive:
            for member, content in found.items():
                if content is not None:
                    archive.writestr(member, content)
        return path

    return write


def kinds_of(found: Audit) -> set[str]:
    """The kinds of its evidence."""
    return {item["kind"] for item in found.document["evidence"]}


def grounds_of(found: Audit) -> str:
    """What the verdict rests on, in its words."""
    return " ".join(item["says"] for item in found.document["evidence"] if item["decisive"])


__all__ = ["KIND", "Rewrite", "audit", "grounds_of", "kinds_of", "members_of"]
