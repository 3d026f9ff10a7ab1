"""Says what this machine permits."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from matrix.environments.uv import find_uv
from matrix.errors import MatrixError
from probes import doctor
from reports import (
    doctor_text,
)
from reports.commands.interface import (
    EXIT_BLIND,
    EXIT_DIAGNOSED,
    EXIT_OK,
    Commands,
    UsageError,
    positive,
)


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "doctor",
        help="say what this machine permits, and what helps where something stands in the way",
        description="Examines the machine and the Python that trains. Nothing is installed, imported or changed. "
        "With --script it also starts a training script, ends it (SIGTERM) as soon as it learns, and says what can be "
        "known by then: what the script itself does in those seconds, such as opening log files, it does.",
        epilog="examples:\n  freezelab doctor\n  freezelab doctor --env ~/venvs/training\n  freezelab doctor --json\n"
        "  freezelab doctor --script train.py -- --env CartPole-v1\n"
        "exit codes: 0 nothing blocks observing, 2 bad usage, 3 the script failed before it learnt, 4 something "
        "blocks observing",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--env", type=Path, metavar="PATH", help="the environment, or the Python, that trains (default: what python is)"
    )
    parser.add_argument(
        "--script", type=Path, metavar="FILE", help="a training script: run it until it learns, and warn of what comes"
    )
    parser.add_argument(
        "--limit",
        type=positive,
        default=doctor.LIMIT_S,
        metavar="S",
        help="wait S seconds at most for the script to learn (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as one JSON document on stdout")
    parser.add_argument("arguments", nargs="*", metavar="-- ARG ...", help="the script's own arguments")
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    if options.arguments and options.script is None:
        raise UsageError("arguments are for a script: freezelab doctor --script train.py -- --env CartPole-v1")
    examined = doctor.examine(doctor.find_python(options.env))
    try:
        script = (
            doctor.rehearse(examined.python, options.script, options.arguments, options.limit) if options.script else {}
        )
    except doctor.ScriptFailedError as error:
        print(f"freezelab: {error}", file=sys.stderr)
        return EXIT_DIAGNOSED
    try:
        uv = find_uv()
    except MatrixError:
        uv = None
    findings = doctor.consult(doctor.this_machine(examined, uv=uv)) | script
    if options.json:
        print(json.dumps(doctor_text.as_json(findings, examined), indent=1))
    else:
        print(doctor_text.text(findings))
    return EXIT_BLIND if doctor_text.blocks_observing(findings) else EXIT_OK
