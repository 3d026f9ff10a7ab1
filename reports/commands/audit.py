"""Whether a checkpoint was trained as it claims."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from reports import audit_text
from reports.commands.interface import EXIT_BLIND, EXIT_DIAGNOSED, EXIT_OK, Commands, count
from repro.checkpoints.audit import audit
from repro.checkpoints.case import Verdict

_SETTINGS = {
    "n_steps": "steps of each environment in a rollout",
    "batch_size": "minibatch size",
    "n_epochs": "epochs of an update",
    "n_envs": "environments that stepped at once",
}


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "audit",
        help="say whether a checkpoint was trained as it claims",
        description="Holds a model's count of steps against what training leaves behind: the optimiser's own counts, "
        "progress, schedules, episodes and, with --against, the weights it came from. Nothing in the file is executed: "
        "its pickles are looked at and never loaded. For models of stable-baselines3 and sb3-contrib. What fits "
        "together passes: who changes every count in step is found by --against, or by the ledger of freezelab extend.",
        epilog="examples:\n"
        "  freezelab audit model_300k.zip\n"
        "  freezelab audit model_300k.zip --against model_201k.zip\n"
        "  freezelab audit model.zip --n-steps 1024 --n-envs 8    if the file's own are not those of the training\n"
        "  freezelab audit model.zip --json > audit.json\n"
        "verdicts and exit codes:\n"
        "  0  trained; optimizer-reset (honest, but count or weights came from another model)\n"
        "  2  no verdict: bad usage or bad input\n"
        "  3  counter-edited, weights-replaced, inconsistent; or any verdict if loading the file would do harm\n"
        "  4  cannot tell",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT.zip", help="a file that model.save() wrote")
    parser.add_argument("--against", type=Path, metavar="BASE.zip", help="the checkpoint that it is said to come from")
    parser.add_argument(
        "--ledger", type=Path, metavar="FILE", help="of freezelab extend (default: ledger.jsonl of its folder, if any)"
    )
    for name, what in _SETTINGS.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=count, metavar="N", help=f"{what} (default: the file's own)")
    parser.add_argument("--json", action="store_true", help="print all of it as one JSON document on stdout")
    parser.set_defaults(run=_audit)


def _audit(options: argparse.Namespace) -> int:
    given = {name: getattr(options, name) for name in _SETTINGS}
    found = audit(options.checkpoint, options.against, given, options.ledger)
    print(json.dumps(found.document, indent=1) if options.json else audit_text.text(found.document))
    if found.is_false:
        return EXIT_DIAGNOSED
    # A script must not take "cannot tell" for a pass.
    return EXIT_BLIND if found.verdict is Verdict.CANNOT_TELL else EXIT_OK
