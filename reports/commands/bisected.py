"""The report of a bisection, again, from its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from matrix.bisecting.result import FILE, Result
from reports import bisect_text, files
from reports.commands.interface import UsageError


def is_one(folder: Path) -> bool:
    """Whether the folder holds the result of a bisection."""
    return (folder / FILE).is_file()


def render(folder: Path, name: str) -> None:
    """
    Writes the report and prints its path, or prints the report itself.

    :raises UsageError: there is no such format of a bisection.
    :raises MatrixError: its result can't be read.
    """
    if name not in _FORMATS:
        raise UsageError(
            f"--format {name}: a bisection has {', '.join(_FORMATS)} and issue; its runs, each by itself, have all"
        )
    _FORMATS[name](Result.load(folder), folder)


def _markdown(result: Result, folder: Path) -> None:
    print(files.bisect_report(result, folder))


def _html(result: Result, folder: Path) -> None:
    print(files.bisect_report(result, folder).with_suffix(".html"))


def _json(result: Result, _: Path) -> None:
    print(json.dumps(result.to_json(), indent=1, ensure_ascii=False))


def _text(result: Result, _: Path) -> None:
    print("\n".join(bisect_text.lines(result)))


_FORMATS: Mapping[str, Callable[[Result, Path], None]] = {
    "md": _markdown,
    "html": _html,
    "json": _json,
    "text": _text,
}
