"""``freezelab bisect factors``: the smallest difference between a cell that passes and one that freezes."""

from __future__ import annotations

import argparse
from pathlib import Path

from matrix.bisecting.cells import Cells, CommandCells, PlannedCells
from matrix.bisecting.search_factors import search_factors
from matrix.plan.parameters import parameters_from
from matrix.plan.presets import DEFAULT, preset
from reports.commands.bisect_common import DESCRIPTION, EXITS, add_common, add_from, call_of, command_of, tell
from reports.commands.interface import Commands, UsageError
from repro.options import parser as training_parser
from repro.options import refuses as training_refuses


def add(kinds: Commands) -> None:
    """Adds the kind to ``freezelab bisect``."""
    parser = kinds.add_parser(
        "factors",
        help="the smallest difference between a cell that passes and one that fails",
        description="Finds the least set of levels that turns a cell that passes into one that fails. A cell is "
        "written as in a sweep's report, env=v3 n_steps=256; what it does not name is as in the sweep's file, or the "
        "program's default. The word ordinary is the cell in which nothing is changed, our healthy baseline; the "
        "folder of a run stands for the settings that the run had. With a command of your own behind --, its "
        f"{{placeholders}} and environment variables in capitals (unset takes one away) are varied. {DESCRIPTION}",
        epilog="examples:\n"
        "  freezelab bisect factors --good ordinary --bad 'env=v3 adapter=on n_steps=256'\n"
        "  freezelab bisect factors --file sweep.toml --good ordinary --bad runs/mine --shrink\n"
        "  freezelab bisect factors --file sweep.toml --good ordinary --bad 'env=v3 n_steps=256' --from runs/sweep\n"
        "  freezelab bisect factors --good 'n_envs=1 start=spawn' --bad 'n_envs=8 start=fork OMP_NUM_THREADS=4' \\\n"
        "      --shrink -- python train.py --n-envs {n_envs} --start-method {start}\n" + EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--good", required=True, metavar="CELL", help="a cell that passes, or: ordinary")
    parser.add_argument("--bad", required=True, metavar="CELL", help="a cell that fails, or the folder of a run")
    parser.add_argument("--file", type=Path, metavar="FILE.toml", help=f"the sweep's file (default: {DEFAULT})")
    parser.add_argument(
        "--shrink", action="store_true", help="then seek the smallest cell that still fails the same way"
    )
    add_from(parser)
    add_common(parser)
    parser.set_defaults(run=_factors)


def _factors(options: argparse.Namespace) -> int:
    command = command_of(options)
    cells: Cells
    if command:
        if options.file is not None:
            raise UsageError("--file and a command behind -- exclude each other; name the program in one of them")
        cells = CommandCells(command)
    else:
        parameters = parameters_from(training_parser())
        cells = PlannedCells(options.file or preset(), parameters, training_refuses, limit_s=options.limit)
    call = call_of(options, "bisect-factors", program=bool(command))
    return tell(search_factors(cells, (options.good, options.bad), call, shrink=options.shrink), call.out, options)
