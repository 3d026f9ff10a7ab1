"""Bisections: which release, package or factor brought the freeze; where two runs part."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from matrix.bisecting.budget import Budget
from matrix.bisecting.locks import Target, load
from matrix.bisecting.result import Result
from matrix.bisecting.runs import Counts, Same
from matrix.bisecting.search import INTERRUPTED
from matrix.bisecting.searches import Call, LockPair, search_lock, search_versions
from matrix.bisecting.subject import LIMIT_S, Subject, words_of
from matrix.bisecting.versions import Wanted
from matrix.plan.libraries import OUR_PYTHON
from probes import stacks
from reports import bisect_text, files
from reports.commands.interface import EXIT_BLIND, EXIT_INTERRUPTED, EXIT_OK, Commands, UsageError, positive

Parsed = TypeVar("Parsed")

_EXITS = (
    "exit codes: 0 a culprit was found, or that there is none; 2 bad usage or input, or an end that can't be tried or\n"
    "            does not pass; 4 inconclusive: budget used up, or what is left can't be tried; 130 Ctrl-C"
)
_DESCRIPTION = (
    "Each candidate gets an environment of its own and is run under the probes. What it freezes with at the bad end is "
    "what is sought; any other failure tells nothing. Runs may freeze only sometimes: candidates are run again until "
    "the result is as sure as it is said to be. A stopped search goes on where it stopped."
)


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
        "  freezelab bisect lock good-env.yml bad-env.yml -- -m mypackage.train\n" + _EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    _add_versions(kinds)
    _add_lock(kinds)


def _add_versions(kinds: Commands) -> None:
    parser = kinds.add_parser(
        "versions",
        help="the release of a package that brought the failure",
        description=f"Finds the first bad release of a package. {_DESCRIPTION}",
        epilog="examples:\n"
        "  freezelab bisect versions --package stable-baselines3 --good 2.0.0 --bad 2.6.0 -- train.py\n"
        "  freezelab bisect versions --package gymnasium --good 0.28.1 --bad 1.1.0 --with 'numpy<2' -- train.py\n"
        "  freezelab bisect versions --package torch --good 2.6.0 --bad 2.2.0 --python 3.11 --python 3.10 -- train.py\n"
        "a good release that is later than the bad one: the release is sought in which the freeze went away.\n"
        + _EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--package", required=True, metavar="NAME", help="whose releases are searched")
    parser.add_argument("--good", metavar="V", help="a release that passes (default: the oldest)")
    parser.add_argument("--bad", metavar="V", help="a release that fails (default: the newest)")
    parser.add_argument("--pre", action="store_true", help="try pre-releases, too")
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
        type=_told(_python),
        help=f"Python of the environments (default: {OUR_PYTHON}); given several times, a release gets the first that "
        "it can be had for",
    )
    _add_common(parser)
    parser.set_defaults(run=_versions)


def _add_lock(kinds: Commands) -> None:
    parser = kinds.add_parser(
        "lock",
        help="the changed packages between two lock files that bring the failure",
        description="Finds the least set of package changes that turns pass into failure, transitive packages "
        "included. Lock files: requirements with every package pinned, pip freeze, uv.lock, pylock.toml, poetry.lock, "
        f"and the pip part of a conda env export; the two need not be of one kind. {_DESCRIPTION}",
        epilog="examples:\n"
        "  freezelab bisect lock monday.txt tuesday.txt -- train.py\n"
        "  freezelab bisect lock old/uv.lock uv.lock --outcome exit-code --budget 40 -- -m pytest -x tests/test_a.py\n"
        + _EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("good", type=Path, metavar="GOOD", help="the lock file with which it passes")
    parser.add_argument("bad", type=Path, metavar="BAD", help="the lock file with which it fails")
    parser.add_argument(
        "--python", metavar="V", type=_told(_python), help=f"(default: that of a conda export, else {OUR_PYTHON})"
    )
    _add_common(parser)
    parser.set_defaults(run=_lock)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--torch-backend", metavar="NAME", help="whose PyTorch: cpu, cu126 or auto, say")
    parser.add_argument(
        "--outcome",
        choices=[one.value for one in Counts],
        default=Counts.FREEZE.value,
        help="what counts as failure: what the bad end shows under the probes, or any exit code but 0 "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--same",
        choices=[one.value for one in Same],
        default=Same.FUNCTION.value,
        help="what two failures must share to be the same, beside verdict and phase (default: %(default)s)",
    )
    parser.add_argument(
        "--limit", type=positive, default=LIMIT_S, metavar="S", help="a run that still moves after S seconds passes"
    )
    parser.add_argument(
        "--budget", type=_told(Budget.parse), default=Budget(), metavar="N|TIME", help="at most 20 runs, or 30m or 2h"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="the search's folder (default: runs/bisect-…)")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on where an earlier call stopped (the default)")
    start.add_argument("--fresh", action="store_true", help="forget what an earlier call left in the folder")
    parser.add_argument("--no-stacks", action="store_true", help="do without py-spy")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document on stdout")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD ...", help="the training command")


def _told(parse: Callable[[str], Parsed]) -> Callable[[str], Parsed]:
    """``parse`` for argparse, which tells no other error in its own words."""

    def parsed(text: str) -> Parsed:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def _python(text: str) -> str:
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", text, re.ASCII):
        raise ValueError(f"{text!r} is no version of Python; write it as 3.11")
    return text


def _versions(options: argparse.Namespace) -> int:
    wanted = Wanted.checked(
        options.package,
        options.python or [OUR_PYTHON],
        options.with_,
        options.good,
        options.bad,
        pre=options.pre,
        exclude_newer=options.exclude_newer,
        torch_backend=options.torch_backend,
    )
    call = _call(options, f"bisect-{wanted.package}")
    return _tell(search_versions(wanted, call), call.out, options)


def _lock(options: argparse.Namespace) -> int:
    python = options.python or OUR_PYTHON
    good, bad = load(options.good, Target(python)), load(options.bad, Target(python))
    if options.python is None and (good.python or bad.python):
        pythons = {one.python for one in (good, bad) if one.python}
        if len(pythons) > 1:
            raise UsageError(f"the two locks hold Python {' and '.join(sorted(pythons))}; choose one with --python")
        (python,) = pythons
        good, bad = load(options.good, Target(python)), load(options.bad, Target(python))
    call = _call(options, f"bisect-{options.good.stem}-{options.bad.stem}")
    pair = LockPair(good, bad, (str(options.good), str(options.bad)), python, options.torch_backend)
    return _tell(search_lock(pair, call), call.out, options)


def _call(options: argparse.Namespace, name: str) -> Call:
    command = tuple(options.command[1:] if options.command[:1] == ["--"] else options.command)
    subject = Subject(
        words_of(command), Counts(options.outcome), Same(options.same), options.limit, stacks=not options.no_stacks
    )
    if subject.stacks and subject.counts is Counts.FREEZE:
        stacks.check_permission()
    told = []
    for word, value, default in (
        ("--outcome", options.outcome, Counts.FREEZE.value),
        ("--same", options.same, Same.FUNCTION.value),
        ("--limit", options.limit, LIMIT_S),
    ):
        told += [word, f"{value:g}" if isinstance(value, float) else value] if value != default else []
    told += ["--no-stacks"] if options.no_stacks else []
    out = options.out or Path("runs") / name
    return Call(out, command, subject, tuple(told), options.budget, options.fresh)


def _tell(result: Result, out: Path, options: argparse.Namespace) -> int:
    report = files.bisect_report(result, out)
    print("\n" + "\n".join(bisect_text.lines(result)), file=sys.stderr)
    print(f"{'report':<12}{report}", file=sys.stderr)
    if options.json:
        print(json.dumps(result.to_json(), indent=1, ensure_ascii=False))
    if result.why_ended == INTERRUPTED:
        return EXIT_INTERRUPTED
    return EXIT_OK if result.conclusion is not None else EXIT_BLIND
