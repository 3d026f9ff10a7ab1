"""Runs a training command under the probes and says what happened to it."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from probes import remedies, stacks
from probes.agent.remedies.interface import Remedy
from probes.diagnosis import Diagnosis
from probes.diagnosis import Remedy as Proof
from probes.heap import check as heap_check
from probes.heap import ladder as heap_ladder
from probes.heap import moves as heap_moves
from probes.remedies import verify
from probes.watch import STOP_AFTER_S, Status, WatchOptions, watch
from reports import (
    heap_check_markdown,
    remedies_text,
    terminal,
)
from reports.commands.interface import (
    EXIT_DIAGNOSED,
    EXIT_OK,
    Commands,
    UsageError,
    positive,
)
from reports.commands.telling import tell


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "run",
        help="run a training command under the probes and say what happened to it",
        description="Runs any training command under the probes. Nothing is installed and nothing in it is changed.",
        epilog="examples:\n"
        "  freezelab run -- python train.py --env CartPole-v1\n"
        "  freezelab run --limit 600 --on-freeze stop --out runs/night -- python -m mypackage.train\n"
        "  freezelab run --heap-check -- python train.py\n"
        "  freezelab run --remedy fused-lstm --remedy threads=2 -- python train.py\n"
        "  freezelab run --verify-remedies -- python train.py\n"
        "  freezelab run --json -- python train.py > diagnosis.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: runs/DATE-TIME)")
    parser.add_argument("--limit", type=positive, metavar="S", help="end the run after S seconds")
    parser.add_argument(
        "--confirm-after",
        type=positive,
        default=WatchOptions.confirm_after_s,
        metavar="S",
        help="tell of a freeze once it has stood S seconds (default: %(default)s)",
    )
    parser.add_argument(
        "--on-freeze",
        choices=("report", "stop"),
        default="report",
        help="go on after a settled freeze, or end the run (default: %(default)s)",
    )
    parser.add_argument(
        "--heap-check",
        nargs="?",
        choices=("on-crash", "always"),
        const="on-crash",
        metavar="WHEN",
        help="after a crash that a damaged heap explains (or always), run the command again under each of glibc's "
        "and AddressSanitizer's checks, and say how the fault moved: on-crash (the default) or always",
    )
    parser.add_argument(
        "--remedy",
        action="append",
        default=[],
        metavar="ID[=VALUE]",
        help="apply a change that gets runs moving, see freezelab remedies; may be given several times",
    )
    parser.add_argument(
        "--verify-remedies",
        action="store_true",
        help="if the cause is known and has a remedy, run the command again with nothing else changed, and compare",
    )
    parser.add_argument("--no-stacks", action="store_true", help="do without py-spy (no stacks, no profile)")
    parser.add_argument(
        "--locals",
        action="store_true",
        help="keep the local variables of calls that stand still, too: they may hold secrets, and stay in the "
        "run's folder; freezelab report DIR --locals shows them",
    )
    parser.add_argument("--json", action="store_true", help="print the diagnosis as one JSON document on stdout")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD ...", help="the command to run")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise UsageError("no command given: freezelab run -- python train.py")
    if options.locals and options.no_stacks:
        raise UsageError("--locals: local variables come with stacks; leave out --no-stacks")
    chosen = remedies.choose_all(options.remedy)
    if not options.no_stacks:
        stacks.check_permission()
    out = options.out or Path("runs") / time.strftime("%Y%m%d-%H%M%S")
    live = terminal.LiveLine()

    def into(stream: TextIO) -> Callable[[bytes], None]:
        def write(piece: bytes) -> None:
            live.clear()
            stream.buffer.write(piece)
            stream.flush()

        return write

    watching = WatchOptions(
        out=out,
        limit_s=options.limit,
        confirm_after_s=options.confirm_after,
        on_freeze=options.on_freeze,
        stop_after_s=STOP_AFTER_S,
        remedies=chosen,
        stacks=not options.no_stacks,
        variables=options.locals,
        # With --json standard output holds one document and nothing else.
        show_out=into(sys.stderr if options.json else sys.stdout),
        show_err=into(sys.stderr),
        on_status=live.show,
    )
    try:
        diagnosis = watch(command, watching)
        if options.heap_check == "always" or (options.heap_check and heap_moves.touches_heap(diagnosis)):
            live.clear()
            diagnosis = _look_again(command, diagnosis, watching, live)
        if options.verify_remedies:
            live.clear()
            diagnosis = _verify(command, diagnosis, watching, live)
    except KeyboardInterrupt:
        live.clear()
        if (out / "diagnosis.json").exists():
            tell(Diagnosis.load(out / "diagnosis.json"), out, as_json=options.json)
        raise
    live.clear()
    tell(diagnosis, out, as_json=options.json)
    return EXIT_DIAGNOSED if diagnosis.verdict.is_failure else EXIT_OK


def _look_again(command: Sequence[str], first: Diagnosis, watching: WatchOptions, live: terminal.LiveLine) -> Diagnosis:
    """Climbs the ladder of heap checks; returns the diagnosis that names what was found."""
    rungs = len(heap_ladder.LADDER)
    print(f"\nfreezelab: {first.verdict}; looking at the heap again, {rungs} runs at most", file=sys.stderr)

    def show(place: int, rung: heap_ladder.Rung, status: Status) -> None:
        line = f"heap check {place + 1}/{rungs}, {rung.id} · {status.line}"
        live.show(dataclasses.replace(status, line=line, suspicious=True, diagnosis=None))

    def tell(attempt: heap_check.Attempt) -> None:
        live.clear()
        print(f"freezelab: {heap_check_markdown.line(attempt)}", file=sys.stderr)

    diagnosis = heap_check.announce(first, watching.out)
    heap_check.climb(command, first, watching, on_status=show, on_attempt=tell)
    return diagnosis


def _verify(command: Sequence[str], first: Diagnosis, watching: WatchOptions, live: terminal.LiveLine) -> Diagnosis:
    """Runs the command again with each remedy of the cause; returns the diagnosis that says what came of it."""
    names = [remedy.id for remedy in verify.candidates(first)]
    why = f"no remedy is known for {first.cause or 'it'}" if not names else f"again with {', then '.join(names)}"
    print(f"\nfreezelab: {first.verdict}; {why}", file=sys.stderr)

    def show(remedy: Remedy, status: Status) -> None:
        line = f"with {remedy.id} · {status.line}"
        live.show(dataclasses.replace(status, line=line, suspicious=True, diagnosis=None))

    def tell(proof: Proof) -> None:
        live.clear()
        print(f"freezelab: {remedies_text.proof(proof)}", file=sys.stderr)

    return verify.verify(command, first, watching, on_status=show, on_proof=tell)
