"""What all kinds of ``freezelab bisect`` share: options, the call, and what is told at the end."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from matrix.bisecting.budget import Budget
from matrix.bisecting.call import Call
from matrix.bisecting.result import Result
from matrix.bisecting.runs import Counts, Same
from matrix.bisecting.search import INTERRUPTED
from matrix.bisecting.subject import LIMIT_S, Subject, words_of
from probes import stacks
from reports import bisect_text, files
from reports.commands.interface import EXIT_BLIND, EXIT_INTERRUPTED, EXIT_OK, positive
from reports.redaction.redactor import Redactor
from reports.redaction.sweep import redacted_search

Parsed = TypeVar("Parsed")

EXITS = (
    "exit codes: 0 a culprit was found, or that there is none; 2 bad usage or input, or an end that can't be tried or\n"
    "            does not pass; 4 inconclusive: budget used up, or what is left can't be tried; 130 Ctrl-C"
)
DESCRIPTION = (
    "Each candidate gets an environment of its own and is run under the probes. What it freezes with at the bad end is "
    "what is sought; any other failure tells nothing. Runs may freeze only sometimes: candidates are run again until "
    "the result is as sure as it is said to be. A stopped search goes on where it stopped."
)


class CommandParser(argparse.ArgumentParser):
    """
    Takes what is behind the first ``--`` as it is, into ``command``.

    argparse's own remainder begins at the first word that is no option: it would swallow the options behind two files.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See :class:`argparse.ArgumentParser`."""
        words = list(sys.argv[1:] if args is None else args)
        at = words.index("--") if "--" in words else len(words)
        options, rest = super().parse_known_args(words[:at], namespace)
        if at < len(words):
            if "command" in options:
                options.command = [*options.command, *words[at + 1 :]]
            else:
                rest += words[at:]
        return options, rest


def add_common(parser: argparse.ArgumentParser) -> None:
    """Options of every search, and the command."""
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
        "--budget", type=told(Budget.parse), default=Budget(), metavar="N|TIME", help="at most 20 runs, or 30m or 2h"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="the search's folder (default: runs/bisect-…)")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on where an earlier call stopped (the default)")
    start.add_argument("--fresh", action="store_true", help="forget what an earlier call left in the folder")
    parser.add_argument("--no-stacks", action="store_true", help="do without py-spy")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document on stdout")
    parser.add_argument("command", nargs="*", metavar="-- CMD ...", help="the training command")


def add_from(parser: argparse.ArgumentParser) -> None:
    """For the kinds whose candidates a sweep may have run."""
    parser.add_argument(
        "--from",
        dest="earlier",
        action="append",
        type=Path,
        default=[],
        metavar="DIR",
        help="the folder of a sweep or bisection: its runs of the same candidates count, so that none is repeated; may "
        "be given several times",
    )


def told(parse: Callable[[str], Parsed]) -> Callable[[str], Parsed]:
    """``parse`` for argparse, which tells no other error in its own words."""

    def parsed(text: str) -> Parsed:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def python_version(text: str) -> str:
    """:raises ValueError: it is none."""
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", text, re.ASCII):
        raise ValueError(f"{text!r} is no version of Python; write it as 3.11")
    return text


def command_of(options: argparse.Namespace) -> tuple[str, ...]:
    """What is behind ``--``."""
    return tuple(options.command)


def call_of(options: argparse.Namespace, name: str, *, program: bool = True) -> Call:
    """
    What the search is told.

    :param name: of its folder, if the person names none.
    :param program: whether there has to be a command.
    :raises MatrixError: the command can't be run.
    """
    command = command_of(options)
    words = words_of(command) if command or program else ()
    subject = Subject(words, Counts(options.outcome), Same(options.same), options.limit, stacks=not options.no_stacks)
    if subject.stacks and subject.counts is Counts.FREEZE:
        stacks.check_permission()
    told_us: list[str] = []
    for word, value, default in (
        ("--outcome", options.outcome, Counts.FREEZE.value),
        ("--same", options.same, Same.FUNCTION.value),
        ("--limit", options.limit, LIMIT_S),
    ):
        told_us += [word, f"{value:g}" if isinstance(value, float) else value] if value != default else []
    told_us += ["--no-stacks"] if options.no_stacks else []
    out = options.out or Path("runs") / name
    earlier = tuple(getattr(options, "earlier", ()))
    return Call(out, command, subject, tuple(told_us), options.budget, options.fresh, earlier=earlier)


def tell(result: Result, out: Path, options: argparse.Namespace) -> int:
    """Writes the report, prints the result, and returns the exit code."""
    result = redacted_search(result, Redactor(people=False))
    report = files.bisect_report(result, out)
    print("\n" + "\n".join(bisect_text.lines(result)), file=sys.stderr)
    print(f"{'report':<12}{report}", file=sys.stderr)
    if options.json:
        print(json.dumps(result.to_json(), indent=1, ensure_ascii=False))
    if result.why_ended == INTERRUPTED:
        return EXIT_INTERRUPTED
    return EXIT_OK if result.conclusion is not None else EXIT_BLIND
