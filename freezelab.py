"""The command line: what each command does is in ``reports/commands``."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from matrix.errors import MatrixError
from probes import doctor, remedies, stacks
from probes.diagnosis import InvalidDiagnosisError
from probes.heap import check as heap_check
from probes.supervisor import CommandNotFoundError
from probes.watch import FolderNotWritableError
from reports.commands import COMMANDS, matrix
from reports.commands.interface import EXIT_BLIND, EXIT_DIAGNOSED, EXIT_INTERRUPTED, EXIT_USAGE, UsageError
from repro.cases import catalogue
from repro.checkpoints.errors import CheckpointError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code (DESIGN: 0, 2, 3, 4 or 130)."""
    options = _parser().parse_args(_words(sys.argv[1:] if arguments is None else arguments))
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        with _told_to_end():
            return run(options)
    except (
        UsageError,
        CommandNotFoundError,
        FolderNotWritableError,
        InvalidDiagnosisError,
        heap_check.InvalidHeapCheckError,
        doctor.NotAPythonError,
        doctor.ScriptError,
        remedies.UnknownRemedyError,
        catalogue.CatalogueError,
        CheckpointError,
        MatrixError,
    ) as error:
        print(f"freezelab: {error}", file=sys.stderr)
        return EXIT_USAGE
    except stacks.StackError as error:
        print(f"freezelab: {error}", file=sys.stderr)
        return EXIT_BLIND
    except doctor.ScriptFailedError as error:
        print(f"freezelab: {error}", file=sys.stderr)
        return EXIT_DIAGNOSED
    except KeyboardInterrupt:
        print("freezelab: interrupted; all processes have ended", file=sys.stderr)
        return EXIT_INTERRUPTED


def _words(arguments: Sequence[str]) -> list[str]:
    """``matrix status`` and its like are commands of their own; a sweep's file of that name is ``./status``."""
    first, *rest = arguments or ("",)
    whole = f"{first} {rest[0]}" if rest else ""
    return [whole, *rest[1:]] if whole in (matrix.STATUS, matrix.EXPORT) else list(arguments)


@contextlib.contextmanager
def _told_to_end() -> Iterator[None]:
    """SIGTERM and the loss of the terminal are taken like Ctrl-C: everything that was started is ended."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # nohup has it ignored
                before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="freezelab",
        description="Find out why a reinforcement-learning training run stopped moving.",
        epilog="examples:\n"
        "  freezelab run -- python train.py\n"
        "  freezelab attach 4711\n"
        "  freezelab matrix matrix.toml\n"
        "  freezelab report runs/20261124-120000\n"
        "  freezelab audit model_300k.zip --against model_201k.zip\n"
        "  freezelab doctor --env ~/venvs/training\n"
        "  freezelab remedies\n"
        "  freezelab cases run --vary 3\n"
        "  freezelab envs list\n"
        "exit codes: 0 healthy or done, 2 bad usage or input, 3 a freeze, crash or error was diagnosed,\n"
        "            4 could not observe, 130 Ctrl-C",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
