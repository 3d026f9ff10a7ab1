"""The command line: what each command does is in ``reports/commands``."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from probes.errors import InputError
from probes.stacks import StackError
from reports.commands import OF_MATRIX, add_to
from reports.commands.interface import EXIT_BLIND, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from repro.checkpoints.errors import CheckpointError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code (DESIGN: 0, 2, 3, 4 or 130)."""
    words = _words(sys.argv[1:] if arguments is None else arguments)
    options = _parser(words).parse_args(words)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        with _told_to_end():
            code = run(options)
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        # Whoever reads the output has seen enough: no reason to complain, now or when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except (InputError, CheckpointError) as error:
        print(f"freezelab: {error}", file=sys.stderr)
        return EXIT_USAGE
    except StackError as error:
        print(f"freezelab: {error}", file=sys.stderr)
        return EXIT_BLIND
    except KeyboardInterrupt:
        print("freezelab: interrupted; all processes have ended", file=sys.stderr)
        return EXIT_INTERRUPTED


def _words(arguments: Sequence[str]) -> list[str]:
    """``matrix status`` and its like are commands of their own; a sweep's file of that name is ``./status``."""
    first, *rest = arguments or ("",)
    whole = f"{first} {rest[0]}" if rest else ""
    return [whole, *rest[1:]] if whole in OF_MATRIX else list(arguments)


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


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="freezelab",
        description="Find out why a reinforcement-learning training run stopped moving.",
        epilog="examples:\n"
        "  freezelab run -- python train.py\n"
        "  freezelab attach 4711\n"
        "  freezelab matrix matrix.toml\n"
        "  freezelab report runs/20261124-120000\n"
        "  freezelab audit model_300k.zip --against model_201k.zip\n"
        "  freezelab extend model_201k.zip --to 300000 --env mypkg.envs:MyEnv\n"
        "  freezelab doctor --env ~/venvs/training\n"
        "  freezelab remedies\n"
        "  freezelab cases run --vary 3\n"
        "  freezelab envs list\n"
        "exit codes: 0 healthy or done, 2 bad usage or input, 3 a freeze, crash or error was diagnosed,\n"
        "            4 could not observe, 130 Ctrl-C",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_to(commands, words[0] if words else "")
    return parser


if __name__ == "__main__":
    sys.exit(main())
