"""Markets, files of bars, and the training entry as a process."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import repro
from repro.bars import Bars
from repro.envs import ENVIRONMENTS, environment_class
from repro.market import synthetic_market

Row = dict[str, Any]
Program = Callable[..., "subprocess.CompletedProcess[str]"]

SMALL = ("--n-steps", "64", "--batch-size", "32", "--n-epochs", "1", "--lstm-hidden-size", "16")


@pytest.fixture(scope="session")
def market() -> Bars:
    return synthetic_market(seed=3, n_minutes=4000)


@pytest.fixture
def flat_bars() -> Callable[..., Bars]:
    """Makes bars without any movement, for results that can be worked out by hand."""

    def make(n_minutes: int = 1100, price: float = 100.0, volume: float = 1e6) -> Bars:
        prices = np.full((n_minutes, 2), price)
        first = np.datetime64("2024-01-02T00:00", "s")
        return Bars(
            symbols=("A", "B"),
            timestamps=np.arange(first, first + np.timedelta64(60 * n_minutes, "s"), np.timedelta64(60, "s")),
            open=prices,
            high=prices,
            low=prices,
            close=prices,
            volume=np.full((n_minutes, 2), volume),
        )

    return make


@pytest.fixture(scope="session")
def market_env() -> str:
    """Name of an environment that reads bars."""
    return next(name for name in ENVIRONMENTS if environment_class(name).reads_bars)


@pytest.fixture(scope="session")
def plain_env() -> str:
    """Name of an environment that reads none."""
    return next(name for name in ENVIRONMENTS if not environment_class(name).reads_bars)


def rows_of(bars: Bars) -> list[Row]:
    """Rows as in a file, minute by minute."""
    rows: list[Row] = []
    for at, timestamp in enumerate(bars.timestamps):
        for share, symbol in enumerate(bars.symbols):
            row: Row = {"timestamp": str(timestamp), "symbol": symbol}
            row.update({name: float(getattr(bars, name)[at, share]) for name in ("open", "high", "low", "close")})
            row["volume"] = float(bars.volume[at, share])
            rows.append(row)
    return rows


def write_csv(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is both the working one and the one for temporary files, for runs in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Runs the training entry as a cell does: by its folder, from a place that is not ours."""

    def run(*arguments: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        folder = str(Path(repro.__file__).parent)
        # stable-baselines3 leaves an empty log folder in the temporary directory.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)}
        environment.pop("PYTHONPATH", None)
        return subprocess.run(
            [sys.executable, folder, *arguments],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
