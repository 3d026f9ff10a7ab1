"""The environments that cells train in."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

from matrix.environments import eviction
from matrix.environments.amounts import parse_age, parse_size, size_text
from matrix.environments.cache import default_cache
from reports import (
    envs_text,
)
from reports.commands.interface import (
    EXIT_OK,
    Commands,
    UsageError,
)


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "envs",
        help="list the environments that sweeps have built, or remove some",
        description="Each library set of a sweep is built once and kept for later sweeps. Sizes are what comes free "
        "with an environment: files that uv's cache has too stay there (uv cache prune). What a sweep uses or builds "
        f"is never removed. Sweeps themselves keep the total below {eviction.LIMIT_VARIABLE} "
        f"({size_text(eviction.DEFAULT_LIMIT)} unless it is set; none is no limit): the least recently used go.",
        epilog="examples:\n"
        "  freezelab envs list\n"
        "  freezelab envs prune                    to the limit\n"
        "  freezelab envs prune --to 10GB --dry-run\n"
        "  freezelab envs prune --unused-for 30d\n"
        "  freezelab envs prune --all --json\n"
        f"  {eviction.LIMIT_VARIABLE}=100GB freezelab matrix\n"
        "exit codes: 0 done, 2 bad usage",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", nargs="?", choices=("list", "prune"), default="list", help="(default: %(default)s)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--to", type=_amount(parse_size), metavar="SIZE", help="remove the least recently used until the rest hold SIZE"
    )
    which.add_argument(
        "--unused-for", type=_amount(parse_age), metavar="TIME", help="remove those not used for TIME, such as 30d"
    )
    which.add_argument("--all", action="store_true", help="remove all that are not in use")
    parser.add_argument("--dry-run", action="store_true", help="only say what prune would remove")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    parser.set_defaults(run=_envs)


def _amount(parse: Callable[[str], float]) -> Callable[[str], float]:
    """``parse`` for argparse, which tells no other error in its own words."""

    def parsed(text: str) -> float:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def _envs(options: argparse.Namespace) -> int:
    cache, limit = default_cache(), eviction.environs_limit()
    before = eviction.contents(cache)
    if options.action == "list":
        if options.to is not None or options.unused_for is not None or options.all or options.dry_run:
            raise UsageError("envs list removes nothing; write: freezelab envs prune --to 10GB")
        if options.json:
            print(json.dumps(envs_text.as_json(before, cache, limit), indent=1))
        else:
            print(envs_text.listing(before, cache, limit, time.time()))
        return EXIT_OK
    if options.unused_for is not None:
        chosen = eviction.idle(before, options.unused_for)
    elif options.all:
        chosen = eviction.idle(before, 0)
    else:
        chosen = eviction.beyond(before, limit if options.to is None else options.to)
    if not options.dry_run:
        eviction.clear_leftovers(cache)
    gone = chosen if options.dry_run else eviction.evict(cache, chosen)
    if options.json:
        print(json.dumps(envs_text.pruned_as_json(gone, before, dry_run=options.dry_run), indent=1))
    else:
        print(envs_text.pruned(chosen, gone, before, dry_run=options.dry_run))
    return EXIT_OK
