"""The report of a bisection, again, from its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from matrix.bisecting.result import FILE, Result
from reports import bisect_text, files
from reports.commands.interface import UsageError
from reports.redaction.redactor import Redactor
from reports.redaction.sweep import redacted_search


def is_one(folder: Path) -> bool:
    """Whether the folder holds the result of a bisection."""
    return (folder / FILE).is_file()


def render(folder: Path, name: str, redactor: Redactor) -> None:
    """
    Writes the report and prints its path, or prints the report itself.

    :raises UsageError: there is no such format of a bisection.
    :raises MatrixError: its result can't be read.
    """
    if name not in _FORMATS:
        raise UsageError(
            f"--format {name}: a bisection has {', '.join(_FORMATS)} and issue; its runs, each by itself, have all"
        )
    _FORMATS[name](redacted_search(Result.load(folder), redactor), folder, redactor)


def _markdown(result: Result, folder: Path, redactor: Redactor) -> None:
    print(files.bisect_report(result, folder, redactor))


def _html(result: Result, folder: Path, redactor: Redactor) -> None:
    print(files.bisect_report(result, folder, redactor).with_suffix(".html"))


def _json(result: Result, *_: object) -> None:
    print(json.dumps(result.to_json(), indent=1, ensure_ascii=False))


def _text(result: Result, *_: object) -> None:
    print("\n".join(bisect_text.lines(result)))


_FORMATS: Mapping[str, Callable[[Result, Path, Redactor], None]] = {
    "md": _markdown,
    "html": _html,
    "json": _json,
    "text": _text,
}
