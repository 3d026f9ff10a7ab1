"""Writes the report of a run or a sweep, and says what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from matrix.analysis.analysis import Analysis
from probes.diagnosis import Diagnosis
from reports import files, terminal


def tell(diagnosis: Diagnosis, out: Path, *, as_json: bool) -> None:
    """Writes the report of a run and says what it says."""
    report = files.run_report(diagnosis, out)
    print(f"\n{terminal.summary(diagnosis)}\nreport    {report}", file=sys.stderr)
    if as_json:
        print(json.dumps(diagnosis.to_json(), indent=1))


def write_sweep_report(analysis: Analysis, out: Path) -> Path:
    """Writes the report of a sweep; gives its path."""
    return files.sweep_report(analysis, out)
