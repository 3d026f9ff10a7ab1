"""Bisections: which release, package or factor brought the freeze; where two runs part."""

from __future__ import annotations

import argparse
from pathlib import Path

from matrix.bisecting.locks import Target, load
from matrix.bisecting.search_lock import LockPair, search_lock
from matrix.bisecting.search_versions import search_versions
from matrix.bisecting.versions import Wanted
from matrix.plan.libraries import OUR_PYTHON
from reports.commands import bisect_factors, bisect_sites, bisect_steps
from reports.commands.bisect_common import (
    DESCRIPTION,
    EXITS,
    CommandParser,
    add_common,
    add_from,
    call_of,
    python_version,
    tell,
    told,
)
from reports.commands.interface import Commands, UsageError


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "bisect",
        help="find what brought a freeze: a release, changed packages, factors of a sweep, a training step",
        description="Finds what brought a freeze. Each kind has a help of its own: freezelab bisect versions --help.",
        epilog="examples:\n"
        "  freezelab bisect versions --package torch --good 2.5.1 --bad 2.8.0 -- train.py --n-envs 4\n"
        "  freezelab bisect versions --package gymnasium --good 0.28.1 --bad 1.1.0 --outcome exit-code -- check.py\n"
        "  freezelab bisect lock before.txt uv.lock --budget 30m -- train.py\n"
        "  freezelab bisect lock good-env.yml bad-env.yml -- -m mypackage.train\n"
        "  freezelab bisect factors --good ordinary --bad 'env=v3 n_steps=256'\n"
        "  freezelab bisect steps runs/a runs/b --repeat runs/a2 --zoom\n" + EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND", parser_class=CommandParser)
    _add_versions(kinds)
    _add_lock(kinds)
    bisect_factors.add(kinds)
    bisect_steps.add(kinds)
    bisect_sites.add(kinds)


def _add_versions(kinds: Commands) -> None:
    parser = kinds.add_parser(
        "versions",
        help="the release of a package that brought the failure",
        description=f"Finds the first bad release of a package. {DESCRIPTION}",
        epilog="examples:\n"
        "  freezelab bisect versions --package stable-baselines3 --good 2.0.0 --bad 2.6.0 -- train.py\n"
        "  freezelab bisect versions --package gymnasium --good 0.28.1 --bad 1.1.0 --with 'numpy<2' -- train.py\n"
        "  freezelab bisect versions --package torch --good 2.6.0 --bad 2.2.0 --python 3.11 --python 3.10 -- train.py\n"
        "a good release that is later than the bad one: the release is sought in which the freeze went away.\n" + EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--package", required=True, metavar="NAME", help="whose releases are searched")
    parser.add_argument("--good", metavar="V", help="a release that passes (default: the oldest)")
    parser.add_argument("--bad", metavar="V", help="a release that fails (default: the newest)")
    parser.add_argument("--pre", action="store_true", help="try pre-releases, too")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="V",
        help="a release that the index hides, such as a yanked one, is tried, too; may be given several times",
    )
    parser.add_argument(
        "--with",
        dest="with_",
        action="append",
        default=[],
        metavar="REQ",
        help="a requirement beside each release, such as 'numpy<2'; may be given several times",
    )
    parser.add_argument("--exclude-newer", metavar="DATE", help="other packages: as if nothing later had come out")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="V",
        type=told(python_version),
        help=f"Python of the environments (default: {OUR_PYTHON}); given several times, a release gets the first that "
        "it can be had for",
    )
    parser.add_argument("--torch-backend", metavar="NAME", help="whose PyTorch: cpu, cu126 or auto, say")
    add_from(parser)
    add_common(parser)
    parser.set_defaults(run=_versions)


def _add_lock(kinds: Commands) -> None:
    parser = kinds.add_parser(
        "lock",
        help="the changed packages between two lock files that bring the failure",
        description="Finds the least set of package changes that turns pass into failure, transitive packages "
        "included. Lock files: requirements with every package pinned, pip freeze, uv.lock, pylock.toml, poetry.lock, "
        f"and the pip part of a conda env export; the two need not be of one kind. {DESCRIPTION}",
        epilog="examples:\n"
        "  freezelab bisect lock monday.txt tuesday.txt -- train.py\n"
        "  freezelab bisect lock old/uv.lock uv.lock --outcome exit-code --budget 40 -- -m pytest -x tests/test_a.py\n"
        + EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("good", type=Path, metavar="GOOD", help="the lock file with which it passes")
    parser.add_argument("bad", type=Path, metavar="BAD", help="the lock file with which it fails")
    parser.add_argument(
        "--python", metavar="V", type=told(python_version), help=f"(default: that of a conda export, else {OUR_PYTHON})"
    )
    parser.add_argument("--torch-backend", metavar="NAME", help="whose PyTorch: cpu, cu126 or auto, say")
    add_from(parser)
    add_common(parser)
    parser.set_defaults(run=_lock)


def _versions(options: argparse.Namespace) -> int:
    wanted = Wanted.checked(
        options.package,
        options.python or [OUR_PYTHON],
        options.with_,
        options.good,
        options.bad,
        pre=options.pre,
        also=tuple(options.also),
        exclude_newer=options.exclude_newer,
        torch_backend=options.torch_backend,
    )
    call = call_of(options, f"bisect-{wanted.package}")
    return tell(search_versions(wanted, call), call.out, options)


def _lock(options: argparse.Namespace) -> int:
    python = options.python or OUR_PYTHON
    good, bad = load(options.good, Target(python)), load(options.bad, Target(python))
    if options.python is None and (good.python or bad.python):
        pythons = {one.python for one in (good, bad) if one.python}
        if len(pythons) > 1:
            raise UsageError(f"the two locks hold Python {' and '.join(sorted(pythons))}; choose one with --python")
        (python,) = pythons
        good, bad = load(options.good, Target(python)), load(options.bad, Target(python))
    call = call_of(options, f"bisect-{options.good.stem}-{options.bad.stem}")
    pair = LockPair(good, bad, (str(options.good), str(options.bad)), python, options.torch_backend)
    return tell(search_lock(pair, call), call.out, options)
