"""Lists the changes that can be applied."""

from __future__ import annotations

import argparse
import json

from probes import remedies
from reports import (
    remedies_text,
)
from reports.commands.interface import (
    EXIT_OK,
    Commands,
)


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "remedies",
        help="list the changes that freezelab run --remedy can apply",
        description="What each remedy changes in a run, and whether its results stay the same or how they differ.",
        epilog="examples:\n  freezelab remedies\n  freezelab remedies list --json\n"
        "  freezelab run --remedy fused-lstm -- python train.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", nargs="?", choices=("list",), default="list", help="list them (the default)")
    parser.add_argument("--json", action="store_true", help="print them as one JSON document on stdout")
    parser.set_defaults(run=_remedies)


def _remedies(options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(remedies_text.as_json(remedies.REMEDIES), indent=1))
    else:
        print(remedies_text.listing(remedies.REMEDIES))
    return EXIT_OK
