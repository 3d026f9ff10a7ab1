"""The settings of a run, as the agent saw them, in the words of FreezeLab's own training program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matrix.errors import MatrixError
from matrix.plan.cells import THREADS
from probes.diagnosis import Diagnosis, InvalidDiagnosisError

_RECURRENT = "RecurrentPPO"


def levels_of_run(folder: Path) -> dict[str, str]:
    """
    Hyperparameters, device, policy, threads and steps; what our program has no word for is left out.

    :raises MatrixError: no run's folder, or nothing was seen of its settings.
    """
    try:
        diagnosis = Diagnosis.load(folder / "diagnosis.json")
    except InvalidDiagnosisError as error:
        raise MatrixError(f"{folder}: {error}") from error
    training: Any = diagnosis.environment.get("training")
    found = dict(_found(training)) if isinstance(training, Mapping) else {}
    if not found:
        raise MatrixError(f"{folder}: nothing is known of its settings; only stable-baselines3's own are read")
    return found


def _found(training: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    hyperparameters = training.get("hyperparameters")
    for name, value in (hyperparameters if isinstance(hyperparameters, Mapping) else {}).items():
        if isinstance(value, (int, float, str)):
            yield name, str(value)
    for name, key in (("total_timesteps", "total_timesteps"), ("device", "device"), (THREADS, "torch_threads")):
        if isinstance(training.get(key), (int, str)):
            yield name, str(training[key])
    if "algorithm" in training:
        yield "policy", "MlpLstmPolicy" if training["algorithm"] == _RECURRENT else "MlpPolicy"
