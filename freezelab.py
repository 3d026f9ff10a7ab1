"""The command line: parses, calls, prints. What it calls is in ``probes``, ``matrix`` and ``reports``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from matrix.analysis import STORE_FILE, Analysis, analyse_folder
from matrix.errors import MatrixError
from matrix.parameters import parameters_from
from matrix.plan_file import load_plan
from matrix.presets import DEFAULT, preset
from matrix.sweep import run_sweep
from matrix.uv import find_uv
from probes import stacks
from probes.diagnosis import Diagnosis, InvalidDiagnosisError
from probes.supervisor import CommandNotFoundError
from probes.watch import FolderNotWritableError, WatchOptions, watch
from reports import run_markdown, sweep_markdown, terminal
from repro.options import parser as training_parser

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_DIAGNOSED = 3
EXIT_BLIND = 4
EXIT_INTERRUPTED = 130


class UsageError(Exception):
    """Bad input; the text is one line that says what would be right."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code (DESIGN: 0, 2, 3, 4 or 130)."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (
        UsageError,
        CommandNotFoundError,
        FolderNotWritableError,
        InvalidDiagnosisError,
        MatrixError,
    ) as error:
        print(f"freezelab: {error}", file=sys.stderr)
        return EXIT_USAGE
    except stacks.StackError as error:
        print(f"freezelab: {error}", file=sys.stderr)
        return EXIT_BLIND
    except KeyboardInterrupt:
        print("freezelab: interrupted; all processes have ended", file=sys.stderr)
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="freezelab",
        description="Find out why a reinforcement-learning training run stopped moving.",
        epilog="examples:\n"
        "  freezelab run -- python train.py\n"
        "  freezelab matrix matrix.toml\n"
        "  freezelab report runs/20261124-120000\n"
        "exit codes: 0 healthy or done, 2 bad usage or input, 3 a freeze, crash or error was diagnosed,\n"
        "            4 could not observe, 130 Ctrl-C",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_matrix(commands)
    _add_report(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "run",
        help="run a training command under the probes and say what happened to it",
        description="Runs any training command under the probes. Nothing is installed and nothing in it is changed.",
        epilog="examples:\n"
        "  freezelab run -- python train.py --env CartPole-v1\n"
        "  freezelab run --limit 600 --on-freeze stop --out runs/night -- python -m mypackage.train\n"
        "  freezelab run --json -- python train.py > diagnosis.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: runs/DATE-TIME)")
    parser.add_argument("--limit", type=_positive, metavar="S", help="end the run after S seconds")
    parser.add_argument(
        "--confirm-after",
        type=_positive,
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
    parser.add_argument("--no-stacks", action="store_true", help="do without py-spy (no stacks, no profile)")
    parser.add_argument("--json", action="store_true", help="print the diagnosis as one JSON document on stdout")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD ...", help="the command to run")
    parser.set_defaults(run=_run)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds, such as 600")
    return value


def _run(options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise UsageError("no command given: freezelab run -- python train.py")
    if not options.no_stacks:
        stacks.check_permission()
    out = options.out or Path("runs") / time.strftime("%Y%m%d-%H%M%S")
    live = terminal.LiveLine()
    to_out = sys.stderr.buffer if options.json else sys.stdout.buffer

    def show(stream_of: Callable[[], object]) -> Callable[[bytes], None]:
        def write(piece: bytes) -> None:
            live.clear()
            stream = to_out if stream_of() is sys.stdout else sys.stderr.buffer
            stream.write(piece)
            stream.flush()

        return write

    diagnosis = watch(
        command,
        WatchOptions(
            out=out,
            limit_s=options.limit,
            confirm_after_s=options.confirm_after,
            on_freeze=options.on_freeze,
            stacks=not options.no_stacks,
            show_out=show(lambda: sys.stdout),
            show_err=show(lambda: sys.stderr),
            on_status=live.show,
        ),
    )
    live.clear()
    (out / "diagnosis.md").write_text(run_markdown.render(diagnosis), encoding="utf-8")
    print(f"\n{terminal.summary(diagnosis)}\nreport    {out / 'diagnosis.md'}", file=sys.stderr)
    if options.json:
        print(json.dumps(diagnosis.to_json(), indent=1))
    return EXIT_DIAGNOSED if diagnosis.verdict.is_failure else EXIT_OK


def _add_matrix(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "matrix",
        help="sweep environments, devices, settings and library versions, and write a report",
        description="Runs every cell of a sweep under the probes. A stopped sweep goes on where it stopped.",
        epilog="examples:\n"
        "  freezelab matrix                          the sweep that ships with FreezeLab\n"
        "  freezelab matrix matrix-full.toml --jobs 1\n"
        "  freezelab matrix mine.toml --out runs/mine --fresh",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE.toml", help=f"the sweep (default: {DEFAULT})")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the sweep's folder (default: runs/NAME-OF-FILE)")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on where an earlier call stopped (the default)")
    start.add_argument("--fresh", action="store_true", help="forget what an earlier call left in the folder")
    parser.add_argument("--jobs", type=_count, metavar="N", help="at most N cells at once (default: one a core)")
    parser.set_defaults(run=_matrix)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number, such as 2")
    return int(text)


def _matrix(options: argparse.Namespace) -> int:
    path = options.file or (Path(DEFAULT) if Path(DEFAULT).exists() else preset())
    plan = load_plan(path, parameters_from(training_parser()))
    out = options.out or Path("runs") / path.stem
    find_uv()
    stacks.check_permission()
    result = run_sweep(plan, out, jobs=options.jobs, fresh=options.fresh)
    report = _write_sweep_report(result.analysis, out)
    print(f"\n{terminal.sweep_summary(result.analysis)}", file=sys.stderr)
    if result.interrupted:
        again = " ".join(("freezelab matrix", str(path), *(("--out", str(options.out)) if options.out else ())))
        print(f"freezelab: interrupted; {again} goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(report)
    return EXIT_OK


def _write_sweep_report(analysis: Analysis, out: Path) -> Path:
    report = out / "report.md"
    report.write_text(sweep_markdown.render(analysis, out), encoding="utf-8")
    return report


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "report",
        help="render the report of a run or a sweep again",
        description="Renders a report from what is stored, at any later time. Prints the path of what it wrote.",
        epilog="examples:\n  freezelab report runs/matrix\n  freezelab report runs/20261124-120000 --format json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of a run or a sweep")
    parser.add_argument(
        "--format", choices=("md", "json"), default="md", help="a run's diagnosis can be had as JSON, on stdout"
    )
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    if (folder / STORE_FILE).exists():
        if options.format == "json":
            raise UsageError(f"{folder}: a sweep's report can be had as md only; each cell's folder has its own JSON")
        print(_write_sweep_report(analyse_folder(folder), folder))
        return EXIT_OK
    if not (folder / "diagnosis.json").exists():
        raise UsageError(f"{folder}: neither a run's folder (diagnosis.json) nor a sweep's ({STORE_FILE})")
    diagnosis = Diagnosis.load(folder / "diagnosis.json")
    if options.format == "json":
        print(json.dumps(diagnosis.to_json(), indent=1))
        return EXIT_OK
    report = folder / "diagnosis.md"
    report.write_text(run_markdown.render(diagnosis), encoding="utf-8")
    print(report)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
