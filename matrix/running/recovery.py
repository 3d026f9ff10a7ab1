"""Trials whose diagnosis was written, but not their row: their sweep was killed in that very moment."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from matrix.plan.cells import Trial
from matrix.results.observation import Observation, observed
from matrix.results.store import Store
from matrix.running.trial import CELLS_FOLDER
from probes.diagnosis import Diagnosis, InvalidDiagnosisError


def unstored(out: Path, trials: Iterable[Trial], store: Store) -> Iterator[tuple[Trial, Observation]]:
    """
    Those of ``trials`` that have ended after all.

    :param out: the sweep's folder.
    :param trials: such as ``store`` has no row of.
    """
    cells = out / CELLS_FOLDER
    there = {path.name for path in cells.iterdir()} if cells.is_dir() else set()
    for trial in trials:
        if trial.id not in there:
            continue
        below = Path(CELLS_FOLDER, trial.id)
        try:
            diagnosis = Diagnosis.load(out / below / "diagnosis.json")
        except InvalidDiagnosisError:  # it was cut off, or never came so far
            continue
        lock = store.lock(trial.cell.versions)
        # What only the sweep knew, such as the load of the machine, is gone.
        yield (
            trial,
            replace(
                observed(diagnosis),
                wall_s=diagnosis.timing.observed_s,
                started_at=_started_at(out / below),
                lock=lock.id if lock else None,
                folder=str(below),
                artifacts={name: str(below / path) for name, path in diagnosis.artifacts.items()},
            ),
        )


def _started_at(folder: Path) -> str | None:
    """UTC, as a sweep words it."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["started_at"]
        started = dt.datetime.strptime(told, "%Y-%m-%dT%H:%M:%S%z")
        return started.astimezone(dt.timezone.utc).isoformat(timespec="seconds")
    return None
