"""Writes the report of a run or a sweep, and says what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from matrix.analysis.analysis import Analysis
from probes.diagnosis import Diagnosis
from probes.heap import check as heap_check
from reports import (
    run_markdown,
    sweep_markdown,
    terminal,
)


def tell(diagnosis: Diagnosis, out: Path, *, as_json: bool) -> None:
    """Writes the report of a run and says what it says."""
    check = heap_check.HeapCheck.load(out)
    (out / "diagnosis.md").write_text(run_markdown.render(diagnosis, check), encoding="utf-8")
    print(f"\n{terminal.summary(diagnosis)}\nreport    {out / 'diagnosis.md'}", file=sys.stderr)
    if as_json:
        print(json.dumps(diagnosis.to_json(), indent=1))


def write_sweep_report(analysis: Analysis, out: Path) -> Path:
    """Writes the report of a sweep; gives its path."""
    report = out / "report.md"
    report.write_text(sweep_markdown.render(analysis, out), encoding="utf-8")
    return report
