"""Sweeps, how far a sweep is, and its rows as a table."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from matrix.analysis.analysis import PLAN_FILE, STORE_FILE
from matrix.environments.uv import find_uv
from matrix.executors.cluster import cluster_executor
from matrix.plan.parameters import parameters_from
from matrix.plan.plan import Plan
from matrix.plan.plan_file import load_plan
from matrix.plan.presets import DEFAULT, preset
from matrix.results import export
from matrix.results.store import read_records
from matrix.running.forecast import forecast
from matrix.running.status import status_of
from matrix.running.sweep import run_sweep
from matrix.running.view import view_for
from probes import stacks
from reports import (
    plan_text,
    status_text,
    terminal,
)
from reports.commands.interface import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    Commands,
    UsageError,
    count,
)
from reports.commands.telling import write_sweep_report
from repro.options import parser as training_parser
from repro.options import refuses as training_refuses


def add(commands: Commands) -> None:
    """Adds the command to the command line, and those about a sweep that is there."""
    parser = commands.add_parser(
        "matrix",
        help="sweep environments, devices, settings and library versions, and write a report",
        description="Runs every cell of a sweep under the probes. A stopped sweep goes on where it stopped.",
        epilog="examples:\n"
        "  freezelab matrix                          the sweep that ships with FreezeLab\n"
        "  freezelab matrix mine.toml --dry-run      what it would do: cells, environments, disk, time\n"
        "  freezelab matrix matrix-full.toml --jobs 1\n"
        "  freezelab matrix status runs/mine         how far it is, asked from another shell\n"
        "  freezelab matrix export runs/mine         its results as a table\n"
        "  freezelab matrix mine.toml --out runs/mine --fresh\n"
        "  freezelab matrix mine.toml --cluster local:4            four worker processes on this machine\n"
        "  freezelab matrix mine.toml --cluster tcp://login1:8786  the workers of a Dask scheduler\n"
        "a cluster: dask scheduler, and dask worker tcp://login1:8786 --nthreads 8 on each machine (with --resources\n"
        "GPU=1 where there is a GPU), all with this version of FreezeLab: pip install 'freezelab[cluster]'. Each\n"
        "machine builds its own environments; your own script must lie where all of them see it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE.toml", help=f"the sweep (default: {DEFAULT})")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the sweep's folder (default: runs/NAME-OF-FILE)")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on where an earlier call stopped (the default)")
    start.add_argument("--fresh", action="store_true", help="forget what an earlier call left in the folder")
    parser.add_argument("--jobs", type=count, metavar="N", help="at most N cells at once (default: one a core)")
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="run the cells on a Dask cluster: tcp://HOST:PORT of its scheduler, or local:N",
    )
    parser.add_argument(
        "--export", choices=export.KINDS, help="also write the results as a table, as matrix export does"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what the sweep would do, and do nothing")
    parser.add_argument("--json", action="store_true", help="with --dry-run: one JSON document on stdout")
    parser.set_defaults(run=_matrix)
    _add_status(commands)
    _add_export(commands)


def _matrix(options: argparse.Namespace) -> int:
    path = options.file or (Path(DEFAULT) if Path(DEFAULT).exists() else preset())
    plan = load_plan(path, parameters_from(training_parser()), refuses=training_refuses)
    out = options.out or Path("runs") / path.stem
    if options.dry_run and options.cluster:
        raise UsageError("--dry-run reckons with this machine; leave --cluster out")
    if options.dry_run:
        expected = forecast(plan, out, jobs=options.jobs, fresh=options.fresh)
        print(json.dumps(expected.to_json(), indent=1) if options.json else plan_text.text(expected))
        return EXIT_OK
    if options.json:
        raise UsageError("--json goes with --dry-run; a sweep's results are in its store, see freezelab report")
    find_uv()
    if options.cluster:
        view = view_for(sys.stderr)
        with cluster_executor(options.cluster, plan, options.jobs, view.note) as executor:
            result = run_sweep(plan, out, jobs=options.jobs, fresh=options.fresh, view=view, executor=executor)
    else:
        stacks.check_permission()
        result = run_sweep(plan, out, jobs=options.jobs, fresh=options.fresh)
    report = write_sweep_report(result.analysis, out)
    if options.export:
        print(_export(out, options.export, None), file=sys.stderr)
    print(f"\n{terminal.sweep_summary(result.analysis)}", file=sys.stderr)
    if result.interrupted:
        given = [("--out", options.out), ("--cluster", options.cluster)]
        again = " ".join(["freezelab matrix", str(path), *(f"{name} {value}" for name, value in given if value)])
        print(f"freezelab: interrupted; {again} goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(report)
    return EXIT_OK


def _add_status(commands: Commands) -> None:
    parser = commands.add_parser(
        "matrix status",
        help="say how far a sweep is, from any shell",
        description="Says how far a sweep is: what has ended how, what runs now and where it stands, and how long the "
        "rest takes. The sweep is not disturbed.",
        epilog="examples:\n  freezelab matrix status runs/matrix\n"
        "  watch -n 5 freezelab matrix status runs/matrix\n  freezelab matrix status runs/matrix --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the sweep's folder")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    parser.set_defaults(run=_matrix_status)


def _matrix_status(options: argparse.Namespace) -> int:
    status = status_of(options.folder)
    print(json.dumps(status_text.to_json(status), indent=1) if options.json else status_text.text(status))
    return EXIT_OK


def _add_export(commands: Commands) -> None:
    parser = commands.add_parser(
        "matrix export",
        help="write a sweep's results as a table",
        description="Writes one table: a row for each trial, a column for each factor. Prints the path of the file.",
        epilog="examples:\n  freezelab matrix export runs/matrix\n"
        "  freezelab matrix export runs/matrix --format parquet --to results.parquet",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the sweep's folder")
    parser.add_argument("--format", choices=export.KINDS, default="csv", help="of the file (default: %(default)s)")
    parser.add_argument("--to", type=Path, metavar="FILE", help="the file (default: DIR/sweep.FORMAT)")
    parser.set_defaults(run=_matrix_export)


def _matrix_export(options: argparse.Namespace) -> int:
    print(_export(options.folder, options.format, options.to))
    return EXIT_OK


def _export(folder: Path, kind: str, to: Path | None) -> Path:
    path = to or folder / f"sweep.{kind}"
    plan = Plan.load(folder / PLAN_FILE)
    export.write(export.table(read_records(folder / STORE_FILE), plan.factors), path, kind)
    return path
