"""Diagnoses a process that was there before us."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from probes.attach import AttachOptions, attach
from reports import (
    waits_text,
)
from reports.commands.interface import (
    EXIT_DIAGNOSED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    Commands,
    positive,
)
from reports.commands.telling import tell
from reports.redaction.document import redacted
from reports.redaction.redactor import Redactor


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "attach",
        help="diagnose a Python process that hangs already",
        description="Looks at a process, its threads and its children for a few seconds: where they stand, what each "
        "waits on, and who is at the other end. Nothing is touched: the process is not stopped and goes on afterwards.",
        epilog="examples:\n"
        "  freezelab attach 4711\n"
        "  freezelab attach 4711 --for 20 --out runs/night\n"
        "  freezelab attach --json $(pgrep -f train.py) > diagnosis.json\n"
        "exit codes: 0 nothing wrong was seen, 3 a freeze was diagnosed, 4 the process can't be looked at",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pid", type=_pid, metavar="PID", help="the process, as ps or pgrep -af python show it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder for the report (default: runs/DATE-TIME)")
    parser.add_argument(
        "--for",
        dest="for_s",
        type=positive,
        default=AttachOptions.for_s,
        metavar="S",
        help="look at it for S seconds (default: %(default)s)",
    )
    parser.add_argument(
        "--locals",
        action="store_true",
        help="keep the local variables of calls that stand still, too: they may hold secrets, and stay in the "
        "run's folder; freezelab report DIR --locals shows them",
    )
    parser.add_argument("--json", action="store_true", help="print the diagnosis as one JSON document on stdout")
    parser.set_defaults(run=_attach)


def _pid(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a process, such as 4711")
    return int(text)


def _attach(options: argparse.Namespace) -> int:
    out = options.out or Path("runs") / time.strftime("%Y%m%d-%H%M%S")
    try:
        diagnosis = attach(options.pid, AttachOptions(out=out, for_s=options.for_s, variables=options.locals))
    except KeyboardInterrupt:
        print(f"freezelab: interrupted; process {options.pid} goes on as it was", file=sys.stderr)
        return EXIT_INTERRUPTED
    tell(diagnosis, out, as_json=options.json)
    print(f"\n{waits_text.text(redacted(diagnosis, Redactor(people=False)))}", file=sys.stderr)
    return EXIT_DIAGNOSED if diagnosis.verdict.is_failure else EXIT_OK
