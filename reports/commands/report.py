"""Renders what is stored, again; compares two of them, or one with a baseline."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from matrix.running.trial import CELLS_FOLDER
from reports import files, junit, local_variables, speedscope, stored, terminal
from reports.commands import bisected, comparing, issue
from reports.commands.interface import EXIT_OK, Commands, UsageError
from reports.issue.text import REPRODUCER
from reports.redaction.document import redacted
from reports.redaction.redactor import Redactor
from reports.redaction.sweep import redacted_sweep
from reports.sweep import document as sweep_json

JUNIT = "junit.xml"
_WITH_VARIABLES = ("md", "html", "text", "issue")
Render = Callable[[Path, argparse.Namespace], None]
"""Writes a report into the folder and prints its path, or prints the report itself."""


@dataclass(frozen=True)
class _Format:
    """How one format is made of a run, and of a sweep."""

    of_run: Render
    of_sweep: Render


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "report",
        help="render the report of a run or a sweep again; compare two; hold one against a baseline",
        description="Renders a report from what is stored, at any later time and on any machine. Markdown with its "
        "pictures, HTML, JUnit XML and a bug report are written into the folder, and their paths printed; JSON, plain "
        "text and a speedscope profile are printed. Of two folders it says what changed from the first to the second.",
        epilog="examples:\n"
        "  freezelab report runs/matrix\n"
        "  freezelab report runs/20261124-120000 --format json\n"
        "  freezelab report runs/20261124-120000 --format issue     a bug report, and a program that shows the freeze\n"
        "  freezelab report runs/matrix --format junit              a test case for each trial, for CI\n"
        "  freezelab report runs/before runs/after                  what changed\n"
        "  freezelab report runs/matrix --baseline baseline.json --update-baseline\n"
        "  freezelab report runs/matrix --baseline baseline.json    in CI: fails on a new freeze or a slower update\n"
        "exit codes: 0 done; 2 bad usage, folder or baseline, or it can't be written\n"
        "            with --baseline: 0 as good as it, 3 newly failing or slower, 4 nothing ran that it knows",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="the folder of a run, a sweep or a bisection; or two"
    )
    parser.add_argument("--format", choices=tuple(_FORMATS), help="default: md; for two folders text, and no other")
    parser.add_argument(
        "--include-script",
        action="store_true",
        help="with --format issue: show the training script's own text, if it is one short file",
    )
    parser.add_argument(
        "--redact",
        action="store_true",
        help="replace user names and home folders, too: secrets are left out always, and of a bug report all of it",
    )
    parser.add_argument(
        "--locals",
        action="store_true",
        help="show the local variables that run --locals or attach --locals has collected (md, html, text, issue)",
    )
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="hold the folder against this file")
    parser.add_argument("--update-baseline", action="store_true", help="make the folder the new baseline instead")
    parser.add_argument(
        "--slower",
        type=_factor,
        metavar="X",
        help="with --baseline: an update counts as slower if it takes more than X times as long (default: 1.3)",
    )
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    folder, *others = options.folders
    _check(options)
    if others:
        return comparing.compare(folder, others[0], _redactor(options))
    if options.baseline is not None:
        redactor = _redactor(options)
        return comparing.gate(folder, options.baseline, redactor, update=options.update_baseline, slower=options.slower)
    name = options.format or "md"
    try:
        if bisected.is_one(folder):
            if name == "issue":
                _write_issue(folder, issue.of_search(folder, issue.Wanted(options.include_script)))
            else:
                bisected.render(folder, name, _redactor(options))
            return EXIT_OK
        chosen = _FORMATS[name]
        render = chosen.of_sweep if stored.kind_of(folder) == "sweep" else chosen.of_run
        render(folder, options)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: can't be written: {error.strerror or error}") from error
    return EXIT_OK


def _check(options: argparse.Namespace) -> None:
    """
    Whether the options go together.

    :raises UsageError: they don't.
    """
    others = options.folders[1:]
    if len(others) > 1:
        raise UsageError(f"{len(others) + 1} folders; name one to render it, or two to compare them")
    if others and options.format not in (None, "text"):
        raise UsageError(f"--format {options.format}: two folders are compared as text; leave it out")
    if options.baseline is not None and (others or options.format is not None):
        raise UsageError(f"--baseline {options.baseline}: holds one folder against it, without --format")
    if options.baseline is None:
        for name in ("update_baseline", "slower"):
            if getattr(options, name):
                raise UsageError(f"--{name.replace('_', '-')}: needs --baseline FILE")
    if options.locals:
        _check_locals(options)
    if options.include_script and options.format != "issue":
        raise UsageError("--include-script: is for --format issue")


def _check_locals(options: argparse.Namespace) -> None:
    folder, *others = options.folders
    if others or options.baseline is not None or options.format not in (None, *_WITH_VARIABLES):
        raise UsageError(f"--locals: is for one folder, as {', '.join(_WITH_VARIABLES)}")
    if bisected.is_one(folder) or stored.kind_of(folder) != "run":
        raise UsageError(f"--locals: {folder} is no run; name the folder of one of its runs that collected them")


def _factor(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 1 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a factor of 1 or more, such as 1.3")
    return value


def _redactor(options: argparse.Namespace) -> Redactor:
    return Redactor(people=options.redact)


def _variables(folder: Path, options: argparse.Namespace) -> tuple[local_variables.ThreadVariables, ...]:
    """
    The local variables to be shown: none unless asked for.

    :raises UsageError: they are asked for, and were not collected.
    """
    if not options.locals:
        return ()
    found = local_variables.stored(folder)
    if not found:
        raise UsageError(
            f"{folder}: holds no local variables; they are collected by freezelab run --locals or freezelab attach "
            "--locals, where a call stands still"
        )
    return found


def _written_run(folder: Path, options: argparse.Namespace) -> Path:
    return files.run_report(stored.run(folder), folder, _redactor(options), _variables(folder, options))


def _markdown_of_run(folder: Path, options: argparse.Namespace) -> None:
    print(_written_run(folder, options))


def _html_of_run(folder: Path, options: argparse.Namespace) -> None:
    print(_written_run(folder, options).with_suffix(".html"))


def _json_of_run(folder: Path, options: argparse.Namespace) -> None:
    print(json.dumps(redacted(stored.run(folder), _redactor(options)).to_json(), indent=1))


def _junit_of_run(folder: Path, options: argparse.Namespace) -> None:
    redactor = _redactor(options)
    fit = redacted(stored.run(folder), redactor)
    _write(folder / JUNIT, junit.of_run(fit, redactor.text(folder.resolve().name)))


def _text_of_run(folder: Path, options: argparse.Namespace) -> None:
    redactor = _redactor(options)
    variables = [item.redacted(redactor) for item in _variables(folder, options)]
    print(terminal.summary(stored.run(folder), redactor))
    if variables:
        print(f"\nlocal variables\n{local_variables.text(variables)}")


def _speedscope_of_run(folder: Path, options: argparse.Namespace) -> None:
    stored.run(folder)
    print(json.dumps(speedscope.document(folder, _redactor(options)), indent=1))


def _issue_of_run(folder: Path, options: argparse.Namespace) -> None:
    wanted = issue.Wanted(options.include_script, options.locals and bool(_variables(folder, options)))
    _write_issue(folder, issue.of_run(folder, wanted))


def _markdown_of_sweep(folder: Path, options: argparse.Namespace) -> None:
    print(files.sweep_report(stored.sweep(folder), folder, _redactor(options)))


def _html_of_sweep(folder: Path, options: argparse.Namespace) -> None:
    print(files.sweep_report(stored.sweep(folder), folder, _redactor(options)).with_suffix(".html"))


def _json_of_sweep(folder: Path, options: argparse.Namespace) -> None:
    fit = redacted_sweep(stored.sweep(folder), _redactor(options))
    print(json.dumps(sweep_json.document(fit), indent=1, allow_nan=False))


def _junit_of_sweep(folder: Path, options: argparse.Namespace) -> None:
    _write(folder / JUNIT, junit.of_sweep(redacted_sweep(stored.sweep(folder), _redactor(options))))


def _text_of_sweep(folder: Path, options: argparse.Namespace) -> None:
    print(terminal.sweep_summary(stored.sweep(folder), _redactor(options)))


def _speedscope_of_sweep(folder: Path, _: argparse.Namespace) -> None:
    raise UsageError(f"{folder}: a sweep has no profile; name the folder of one of its runs, in {CELLS_FOLDER}/ there")


def _issue_of_sweep(folder: Path, options: argparse.Namespace) -> None:
    _write_issue(folder, issue.of_sweep(stored.sweep(folder), folder, issue.Wanted(options.include_script)))


def _write_issue(folder: Path, texts: issue.Texts) -> None:
    _write(folder / issue.ISSUE, texts.issue)
    if texts.reproducer is not None:
        _write(folder / REPRODUCER, texts.reproducer)
    else:
        (folder / REPRODUCER).unlink(missing_ok=True)  # of an earlier call: it would not be that of this report


def _write(path: Path, text: str) -> None:
    files.whole(path, text)
    print(path)


_FORMATS: Mapping[str, _Format] = {
    "md": _Format(_markdown_of_run, _markdown_of_sweep),
    "html": _Format(_html_of_run, _html_of_sweep),
    "json": _Format(_json_of_run, _json_of_sweep),
    "junit": _Format(_junit_of_run, _junit_of_sweep),
    "text": _Format(_text_of_run, _text_of_sweep),
    "speedscope": _Format(_speedscope_of_run, _speedscope_of_sweep),
    "issue": _Format(_issue_of_run, _issue_of_sweep),
}
