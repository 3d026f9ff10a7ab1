"""The command line: parses, calls, prints. What it calls is in ``probes``, ``matrix`` and ``reports``."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.util
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from matrix.analysis.analysis import PLAN_FILE, STORE_FILE, Analysis, analyse_folder
from matrix.cases import libraries, running, scoring
from matrix.cases.question import Answer, Question
from matrix.environments import eviction
from matrix.environments.amounts import parse_age, parse_size, size_text
from matrix.environments.cache import UvEnvironments, default_cache
from matrix.environments.uv import Uv, find_uv
from matrix.errors import MatrixError
from matrix.executors.cluster import cluster_executor
from matrix.plan.parameters import parameters_from
from matrix.plan.plan import Plan
from matrix.plan.plan_file import load_plan
from matrix.plan.presets import DEFAULT, preset
from matrix.results import export
from matrix.results.store import read_records
from matrix.running.forecast import forecast
from matrix.running.status import status_of
from matrix.running.sweep import run_sweep
from matrix.running.view import view_for
from probes import doctor, remedies, stacks
from probes.agent.remedies.interface import Remedy
from probes.attach import AttachOptions, attach
from probes.diagnosis import Diagnosis, InvalidDiagnosisError
from probes.diagnosis import Remedy as Proof
from probes.heap import check as heap_check
from probes.heap import ladder as heap_ladder
from probes.heap import moves as heap_moves
from probes.remedies import verify
from probes.supervisor import CommandNotFoundError
from probes.watch import STOP_AFTER_S, FolderNotWritableError, Status, WatchOptions, watch
from reports import (
    cases_text,
    doctor_text,
    envs_text,
    heap_check_markdown,
    plan_text,
    remedies_text,
    run_markdown,
    status_text,
    sweep_markdown,
    terminal,
    waits_text,
)
from repro.cases import catalogue
from repro.options import parser as training_parser
from repro.options import refuses as training_refuses

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_DIAGNOSED = 3
EXIT_BLIND = 4
EXIT_INTERRUPTED = 130
MATRIX_STATUS, MATRIX_EXPORT = "matrix status", "matrix export"


class UsageError(Exception):
    """Bad input; the text is one line that says what would be right."""


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
    return [whole, *rest[1:]] if whole in (MATRIX_STATUS, MATRIX_EXPORT) else list(arguments)


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
        "  freezelab doctor --env ~/venvs/training\n"
        "  freezelab remedies\n"
        "  freezelab cases run --vary 3\n"
        "  freezelab envs list\n"
        "exit codes: 0 healthy or done, 2 bad usage or input, 3 a freeze, crash or error was diagnosed,\n"
        "            4 could not observe, 130 Ctrl-C",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_attach(commands)
    _add_matrix(commands)
    _add_matrix_status(commands)
    _add_matrix_export(commands)
    _add_report(commands)
    _add_doctor(commands)
    _add_remedies(commands)
    _add_cases(commands)
    _add_envs(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
            _tell(Diagnosis.load(out / "diagnosis.json"), out, as_json=options.json)
        raise
    live.clear()
    _tell(diagnosis, out, as_json=options.json)
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


def _tell(diagnosis: Diagnosis, out: Path, *, as_json: bool) -> None:
    """Writes the report of a run and says what it says."""
    check = heap_check.HeapCheck.load(out)
    (out / "diagnosis.md").write_text(run_markdown.render(diagnosis, check), encoding="utf-8")
    print(f"\n{terminal.summary(diagnosis)}\nreport    {out / 'diagnosis.md'}", file=sys.stderr)
    if as_json:
        print(json.dumps(diagnosis.to_json(), indent=1))


def _add_attach(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "attach",
        help="diagnose a Python process that hangs already",
        description="Looks at a process, its threads and its children for a few seconds: where they stand, what each "
        "waits on, and who is at the other end. Nothing is touched: the process is not stopped and goes on afterwards.",
        epilog="examples:\n"
        "  freezelab attach 4711\n"
        "  freezelab attach 4711 --for 20 --out runs/night\n"
        "  freezelab attach --json $(pgrep -f train.py) > diagnosis.json\n"
        "exit codes: 0 nothing wrong was seen, 3 a freeze was diagnosed, 4 the process can't be looked at",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pid", type=_pid, metavar="PID", help="the process, as ps or pgrep -af python show it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder for the report (default: runs/DATE-TIME)")
    parser.add_argument(
        "--for",
        dest="for_s",
        type=_positive,
        default=AttachOptions.for_s,
        metavar="S",
        help="look at it for S seconds (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the diagnosis as one JSON document on stdout")
    parser.set_defaults(run=_attach)


def _pid(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a process, such as 4711")
    return int(text)


def _attach(options: argparse.Namespace) -> int:
    out = options.out or Path("runs") / time.strftime("%Y%m%d-%H%M%S")
    try:
        diagnosis = attach(options.pid, AttachOptions(out=out, for_s=options.for_s))
    except KeyboardInterrupt:
        print(f"freezelab: interrupted; process {options.pid} goes on as it was", file=sys.stderr)
        return EXIT_INTERRUPTED
    _tell(diagnosis, out, as_json=options.json)
    print(f"\n{waits_text.text(diagnosis)}", file=sys.stderr)
    return EXIT_DIAGNOSED if diagnosis.verdict.is_failure else EXIT_OK


def _add_matrix(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "matrix",
        help="sweep environments, devices, settings and library versions, and write a report",
        description="Runs every cell of a sweep under the probes. A stopped sweep goes on where it stopped.",
        epilog="examples:\n"
        "  freezelab matrix                          the sweep that ships with FreezeLab\n"
        "  freezelab matrix mine.toml --dry-run      what it would do: cells, environments, disk, time\n"
        "  freezelab matrix matrix-full.toml --jobs 1\n"
        "  freezelab matrix status runs/mine         how far it is, asked from another shell\n"
        "  freezelab matrix export runs/mine         its results as a table\n"
        "  freezelab matrix mine.toml --out runs/mine --fresh\n"
        "  freezelab matrix mine.toml --cluster local:4            four worker processes on this machine\n"
        "  freezelab matrix mine.toml --cluster tcp://login1:8786  the workers of a Dask scheduler\n"
        "a cluster: dask scheduler, and dask worker tcp://login1:8786 --nthreads 8 on each machine (with --resources\n"
        "GPU=1 where there is a GPU), all with this version of FreezeLab: pip install 'freezelab[cluster]'. Each\n"
        "machine builds its own environments; your own script must lie where all of them see it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE.toml", help=f"the sweep (default: {DEFAULT})")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the sweep's folder (default: runs/NAME-OF-FILE)")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on where an earlier call stopped (the default)")
    start.add_argument("--fresh", action="store_true", help="forget what an earlier call left in the folder")
    parser.add_argument("--jobs", type=_count, metavar="N", help="at most N cells at once (default: one a core)")
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="run the cells on a Dask cluster: tcp://HOST:PORT of its scheduler, or local:N",
    )
    parser.add_argument(
        "--export", choices=export.KINDS, help="also write the results as a table, as matrix export does"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what the sweep would do, and do nothing")
    parser.add_argument("--json", action="store_true", help="with --dry-run: one JSON document on stdout")
    parser.set_defaults(run=_matrix)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number, such as 2")
    return int(text)


def _matrix(options: argparse.Namespace) -> int:
    path = options.file or (Path(DEFAULT) if Path(DEFAULT).exists() else preset())
    plan = load_plan(path, parameters_from(training_parser()), refuses=training_refuses)
    out = options.out or Path("runs") / path.stem
    if options.dry_run and options.cluster:
        raise UsageError("--dry-run reckons with this machine; leave --cluster out")
    if options.dry_run:
        expected = forecast(plan, out, jobs=options.jobs, fresh=options.fresh)
        print(json.dumps(expected.to_json(), indent=1) if options.json else plan_text.text(expected))
        return EXIT_OK
    if options.json:
        raise UsageError("--json goes with --dry-run; a sweep's results are in its store, see freezelab report")
    find_uv()
    if options.cluster:
        view = view_for(sys.stderr)
        with cluster_executor(options.cluster, plan, options.jobs, view.note) as executor:
            result = run_sweep(plan, out, jobs=options.jobs, fresh=options.fresh, view=view, executor=executor)
    else:
        stacks.check_permission()
        result = run_sweep(plan, out, jobs=options.jobs, fresh=options.fresh)
    report = _write_sweep_report(result.analysis, out)
    if options.export:
        print(_export(out, options.export, None), file=sys.stderr)
    print(f"\n{terminal.sweep_summary(result.analysis)}", file=sys.stderr)
    if result.interrupted:
        given = [("--out", options.out), ("--cluster", options.cluster)]
        again = " ".join(["freezelab matrix", str(path), *(f"{name} {value}" for name, value in given if value)])
        print(f"freezelab: interrupted; {again} goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(report)
    return EXIT_OK


def _add_matrix_status(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        MATRIX_STATUS,
        help="say how far a sweep is, from any shell",
        description="Says how far a sweep is: what has ended how, what runs now and where it stands, and how long the "
        "rest takes. The sweep is not disturbed.",
        epilog="examples:\n  freezelab matrix status runs/matrix\n"
        "  watch -n 5 freezelab matrix status runs/matrix\n  freezelab matrix status runs/matrix --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the sweep's folder")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    parser.set_defaults(run=_matrix_status)


def _matrix_status(options: argparse.Namespace) -> int:
    status = status_of(options.folder)
    print(json.dumps(status_text.to_json(status), indent=1) if options.json else status_text.text(status))
    return EXIT_OK


def _add_matrix_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        MATRIX_EXPORT,
        help="write a sweep's results as a table",
        description="Writes one table: a row for each trial, a column for each factor. Prints the path of the file.",
        epilog="examples:\n  freezelab matrix export runs/matrix\n"
        "  freezelab matrix export runs/matrix --format parquet --to results.parquet",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the sweep's folder")
    parser.add_argument("--format", choices=export.KINDS, default="csv", help="of the file (default: %(default)s)")
    parser.add_argument("--to", type=Path, metavar="FILE", help="the file (default: DIR/sweep.FORMAT)")
    parser.set_defaults(run=_matrix_export)


def _matrix_export(options: argparse.Namespace) -> int:
    print(_export(options.folder, options.format, options.to))
    return EXIT_OK


def _export(folder: Path, kind: str, to: Path | None) -> Path:
    path = to or folder / f"sweep.{kind}"
    plan = Plan.load(folder / PLAN_FILE)
    export.write(export.table(read_records(folder / STORE_FILE), plan.factors), path, kind)
    return path


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
    report.write_text(run_markdown.render(diagnosis, heap_check.HeapCheck.load(folder)), encoding="utf-8")
    print(report)
    return EXIT_OK


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "doctor",
        help="say what this machine permits, and what helps where something stands in the way",
        description="Examines the machine and the Python that trains. Nothing is installed, imported or changed. "
        "With --script it also starts a training script, ends it (SIGTERM) as soon as it learns, and says what can be "
        "known by then: what the script itself does in those seconds, such as opening log files, it does.",
        epilog="examples:\n  freezelab doctor\n  freezelab doctor --env ~/venvs/training\n  freezelab doctor --json\n"
        "  freezelab doctor --script train.py -- --env CartPole-v1\n"
        "exit codes: 0 nothing blocks observing, 2 bad usage, 3 the script failed before it learnt, 4 something "
        "blocks observing",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--env", type=Path, metavar="PATH", help="the environment, or the Python, that trains (default: what python is)"
    )
    parser.add_argument(
        "--script", type=Path, metavar="FILE", help="a training script: run it until it learns, and warn of what comes"
    )
    parser.add_argument(
        "--limit",
        type=_positive,
        default=doctor.LIMIT_S,
        metavar="S",
        help="wait S seconds at most for the script to learn (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as one JSON document on stdout")
    parser.add_argument("arguments", nargs="*", metavar="-- ARG ...", help="the script's own arguments")
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    if options.arguments and options.script is None:
        raise UsageError("arguments are for a script: freezelab doctor --script train.py -- --env CartPole-v1")
    examined = doctor.examine(doctor.find_python(options.env))
    script = (
        doctor.rehearse(examined.python, options.script, options.arguments, options.limit) if options.script else {}
    )
    try:
        uv = find_uv()
    except MatrixError:
        uv = None
    findings = doctor.consult(doctor.this_machine(examined, uv=uv)) | script
    if options.json:
        print(json.dumps(doctor_text.as_json(findings, examined), indent=1))
    else:
        print(doctor_text.text(findings))
    return EXIT_BLIND if doctor_text.blocks_observing(findings) else EXIT_OK


def _add_remedies(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "remedies",
        help="list the changes that freezelab run --remedy can apply",
        description="What each remedy changes in a run, and whether its results stay the same or how they differ.",
        epilog="examples:\n  freezelab remedies\n  freezelab remedies list --json\n"
        "  freezelab run --remedy fused-lstm -- python train.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", nargs="?", choices=("list",), default="list", help="list them (the default)")
    parser.add_argument("--json", action="store_true", help="print them as one JSON document on stdout")
    parser.set_defaults(run=_remedies)


def _remedies(options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(remedies_text.as_json(remedies.REMEDIES), indent=1))
    else:
        print(remedies_text.listing(remedies.REMEDIES))
    return EXIT_OK


def _add_cases(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "cases",
        help="list the known freezes, or run them and count how often they are told rightly",
        description="Programs that freeze, crawl, crash or go wrong for a known reason, and their healthy twins. "
        "run puts each under the probes and compares what is said with the truth; a stopped call goes on.",
        epilog="examples:\n"
        "  freezelab cases\n"
        "  freezelab cases run c07 c12\n"
        "  freezelab cases run --vary 3 --jobs 2 --out runs/cases\n"
        "  freezelab cases run --vary 2 --libraries sb3-2.6\n"
        "  freezelab cases run --python ~/venvs/training/bin/python",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", nargs="?", choices=("list", "run"), default="list", help="(default: %(default)s)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases, or families of them (default: all)")
    parser.add_argument(
        "--vary",
        type=_count,
        default=0,
        metavar="N",
        help="also run N variations of each: other names, onsets, seeds, numbers of environments",
    )
    parser.add_argument("--jobs", type=_count, default=1, metavar="N", help="N at once (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/cases"), metavar="DIR", help="(default: %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier call left in the folder")
    parser.add_argument(
        "--python",
        metavar="PATH",
        help="the Python that runs the programs (default: FreezeLab's own, or one that is built if that can't train)",
    )
    parser.add_argument(
        "--libraries",
        action="append",
        default=[],
        metavar="SET",
        help="run variations with this library set of the shipped sweep; given several times, they take turns",
    )
    parser.set_defaults(run=_cases)


def _cases(options: argparse.Namespace) -> int:
    known = catalogue.load()
    strange = sorted(set(options.names) - {name for case in known for name in (case.name, case.family)})
    if strange:
        raise UsageError(f"{strange[0]!r} is no case and no family of cases; freezelab cases lists them")
    cases = [case for case in known if not options.names or {case.name, case.family} & set(options.names)]
    if options.action == "list":
        print(cases_text.listing([(case.name, case.family, " ".join(case.verdicts), case.what) for case in cases]))
        return EXIT_OK
    stacks.check_permission()
    if options.libraries and not options.vary:
        raise UsageError("--libraries is for variations; add --vary 1 or more")
    questions = [question for case in cases for question in _questions(case, options.vary, options.libraries)]

    def show(question: Question, answer: Answer, again: bool) -> None:
        shown.append(question.name)
        earlier = "  (from an earlier call)" if again else ""
        place = f"{len(shown):4}/{len(questions)}"
        print(f"{place} {cases_text.line(question, answer)}{earlier}", file=sys.stderr)

    shown: list[str] = []
    pythons = _pythons(options.python, options.libraries)
    answers = running.ask_all(
        questions, options.out, pythons=pythons, jobs=options.jobs, fresh=options.fresh, on_answer=show
    )
    print(cases_text.summary(scoring.score(questions, answers)))
    return EXIT_OK


def _pythons(usual: str | None, sets: Sequence[str]) -> dict[str | None, str]:
    """The interpreter of each library set; None is the usual one."""
    cells = load_plan(preset(), parameters_from(training_parser())).cells
    known = list({cell.versions.name: cell.versions for cell in cells}.values())
    if usual is None and importlib.util.find_spec("stable_baselines3") is None:
        usual = known[-1].name
        sets = [usual, *sets]
    built = libraries.provide(
        dict.fromkeys(sets),
        known,
        UvEnvironments(Uv(), default_cache()),
        lambda versions: print(f"freezelab: environment {versions.name}", file=sys.stderr),
    )
    pythons: dict[str | None, str] = {None: built.get(usual or "", usual or sys.executable)}
    pythons.update(built.items())
    return pythons


def _questions(case: catalogue.Case, variations: int, sets: Sequence[str] = ()) -> Iterator[Question]:
    """The case, its twin, and variations of both."""
    for number in range(variations + 1):
        with_libraries = sets[(number - 1) % len(sets)] if number and sets else None
        suffix = (f"-{number}" if number else "") + (f"-{with_libraries}" if with_libraries else "")
        program, names = case.varied(case.program, number)
        yield Question(
            name=case.name + suffix,
            program=program,
            family=case.family,
            verdicts=case.verdicts,
            phases=case.phases,
            culprits=tuple(names.get(name, name) for name in case.culprits),
            causes=case.causes,
            limit_s=case.limit_s,
            env=case.limits.get("env", {}),
            libraries=with_libraries,
        )
        if case.heal:
            yield Question(
                name=f"{case.name}-twin{suffix}",
                program=case.varied(case.twin(), number)[0],
                family=case.family,
                verdicts=("healthy",),
                limit_s=case.limit_s,
                env=case.limits.get("env", {}),
                libraries=with_libraries,
            )


def _add_envs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
