"""Writes the report of a run or a sweep, and says what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from matrix.analysis.analysis import Analysis
from probes.diagnosis import Diagnosis
from reports import files, terminal
from reports.redaction.document import redacted
from reports.redaction.redactor import Redactor


def tell(diagnosis: Diagnosis, out: Path, *, as_json: bool) -> None:
    """Writes the report of a run and says what it says."""
    try:
        report = files.run_report(diagnosis, out)
        told = f"{report}, and {report.with_suffix('.html').name} beside it"
    except OSError as error:
        # What was found matters more than the file it should be in.
        told = f"could not be written: {error.filename or out}: {error.strerror or error}"
    print(f"\n{terminal.summary(diagnosis)}\nreport    {told}", file=sys.stderr)
    if as_json:
        print(json.dumps(redacted(diagnosis, Redactor(people=False)).to_json(), indent=1))


def write_sweep_report(analysis: Analysis, out: Path) -> Path:
    """Writes the report of a sweep; gives its path."""
    return files.sweep_report(analysis, out)
