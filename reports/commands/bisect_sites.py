"""``freezelab bisect sites``: which functions that a remedy patches matter."""

from __future__ import annotations

import argparse

from matrix.bisecting.sites import Seek, search_sites
from probes import remedies
from reports.commands.bisect_common import DESCRIPTION, EXITS, add_common, call_of, tell
from reports.commands.interface import Commands


def add(kinds: Commands) -> None:
    """Adds the kind to ``freezelab bisect``."""
    parser = kinds.add_parser(
        "sites",
        help="which of the functions that a remedy patches matter",
        description="Each function that the remedies patch is a site, left patched or not in each run. Finds the sites "
        f"that take the failure away, or those that bring it; several disjoint ones one after the other. {DESCRIPTION}",
        epilog="examples:\n"
        "  freezelab bisect sites --remedy unpadded-batches -- python train.py\n"
        "  freezelab bisect sites --remedy fused-lstm --remedy threads=2 --seek freeze -- python train.py\n" + EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--remedy", action="append", required=True, metavar="ID[=VALUE]", help="as for freezelab run; may be repeated"
    )
    parser.add_argument(
        "--seek",
        choices=[one.value for one in Seek],
        default=Seek.CURE.value,
        help="the sites that take a failure away, or that bring one (default: %(default)s)",
    )
    add_common(parser)
    parser.set_defaults(run=_sites)


def _sites(options: argparse.Namespace) -> int:
    chosen = remedies.choose_all(options.remedy)
    call = call_of(options, f"bisect-{chosen[0].remedy.id}")
    return tell(search_sites(chosen, Seek(options.seek), call), call.out, options)
