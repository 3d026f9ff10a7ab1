"""Renders what is stored, again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from matrix.analysis.analysis import STORE_FILE, analyse_folder
from probes.diagnosis import Diagnosis
from probes.heap import check as heap_check
from reports import (
    run_markdown,
)
from reports.commands.interface import (
    EXIT_OK,
    Commands,
    UsageError,
)
from reports.commands.telling import write_sweep_report


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "report",
        help="render the report of a run or a sweep again",
        description="Renders a report from what is stored, at any later time. Prints the path of what it wrote.",
        epilog="examples:\n  freezelab report runs/matrix\n  freezelab report runs/20261124-120000 --format json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of a run or a sweep")
    parser.add_argument(
        "--format", choices=("md", "json"), default="md", help="a run's diagnosis can be had as JSON, on stdout"
    )
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    if (folder / STORE_FILE).exists():
        if options.format == "json":
            raise UsageError(f"{folder}: a sweep's report can be had as md only; each cell's folder has its own JSON")
        print(write_sweep_report(analyse_folder(folder), folder))
        return EXIT_OK
    if not (folder / "diagnosis.json").exists():
        raise UsageError(f"{folder}: neither a run's folder (diagnosis.json) nor a sweep's ({STORE_FILE})")
    diagnosis = Diagnosis.load(folder / "diagnosis.json")
    if options.format == "json":
        print(json.dumps(diagnosis.to_json(), indent=1))
        return EXIT_OK
    report = folder / "diagnosis.md"
    report.write_text(run_markdown.render(diagnosis, heap_check.HeapCheck.load(folder)), encoding="utf-8")
    print(report)
    return EXIT_OK
