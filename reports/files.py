"""Writes reports and the pictures beside them, each file whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from matrix.analysis.analysis import Analysis
from matrix.bisecting.result import Result
from probes.diagnosis import Diagnosis
from probes.heap.check import HeapCheck
from probes.verdicts import Verdict
from reports import bisect_markdown, bisect_text, html, run_markdown
from reports.local_variables import ThreadVariables
from reports.pictures import Picture
from reports.pictures.of_run import run_pictures
from reports.pictures.of_sweep import sweep_pictures
from reports.redaction.document import redacted, redacted_heap_check
from reports.redaction.redactor import Redactor
from reports.redaction.sweep import redacted_search, redacted_sweep
from reports.sweep import markdown as sweep_markdown


def run_report(
    diagnosis: Diagnosis, folder: Path, redactor: Redactor | None = None, variables: Sequence[ThreadVariables] = ()
) -> Path:
    """
    Writes ``diagnosis.md``, its pictures and ``diagnosis.html``.

    :param redactor: what it takes out is not shown; without one, secrets.
    :param variables: local variables to be shown, if the person asked for them.
    :return: the path of the markdown; the page's differs in its suffix.
    :raises OSError: one of them can't be written.
    """
    redactor = redactor or Redactor(people=False)
    fit = redacted(diagnosis, redactor)
    pictures = run_pictures(folder, fit, redactor.text)
    heap_check = redacted_heap_check(HeapCheck.load(folder), redactor)
    shown = [item.redacted(redactor) for item in variables]
    text = run_markdown.render(fit, heap_check, pictures, _cwd(folder, redactor), shown)
    return _written(folder / "diagnosis.md", text, f"Diagnosis: {fit.verdict}", pictures.all, fit.verdict)


def sweep_report(analysis: Analysis, folder: Path, redactor: Redactor | None = None) -> Path:
    """
    Writes ``report.md``, its pictures and ``report.html``.

    :param redactor: what it takes out is not shown; without one, secrets.
    :return: the path of the markdown; the page's differs in its suffix.
    :raises OSError: one of them can't be written.
    """
    redactor = redactor or Redactor(people=False)
    fit = redacted_sweep(analysis, redactor)
    pictures = sweep_pictures(fit)
    text = sweep_markdown.render(fit, folder, pictures, redactor)
    return _written(folder / "report.md", text, fit.plan.name, pictures.all)


def bisect_report(result: Result, folder: Path, redactor: Redactor | None = None) -> Path:
    """
    Writes ``bisect.md``, its picture and ``bisect.html``.

    :param redactor: what it takes out is not shown; without one, secrets.
    :return: the path of the markdown; the page's differs in its suffix.
    :raises OSError: one of them can't be written.
    """
    fit = redacted_search(result, redactor or Redactor(people=False))
    drawn = bisect_markdown.believed(fit)
    text = bisect_markdown.render(fit, drawn)
    return _written(folder / "bisect.md", text, bisect_text.headline(fit), [drawn] if drawn is not None else [])


def _cwd(folder: Path, redactor: Redactor) -> str | None:
    try:
        cwd = json.loads((folder / "meta.json").read_text(encoding="utf-8")).get("cwd")
    except (OSError, ValueError, AttributeError):
        return None
    return redactor.text(cwd) if isinstance(cwd, str) else None


def _written(report: Path, text: str, title: str, pictures: Iterable[Picture], verdict: Verdict | None = None) -> Path:
    drawn = tuple(pictures)
    for picture in drawn:
        whole(report.with_name(picture.file), picture.svg)
    # Last of all, what refers to the pictures; and none stays that an earlier report had and this one has not.
    whole(report.with_suffix(".html"), html.page(text, title, drawn, verdict))
    whole(report, text)
    kept = {picture.file for picture in drawn}
    for old in report.parent.glob(f"{report.stem}-*.svg"):
        if old.name not in kept:
            old.unlink(missing_ok=True)
    return report


def whole(path: Path, text: str) -> None:
    """
    Writes a file as UTF-8, complete or not at all.

    :raises OSError: it can't be written.
    """
    growing = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        growing.write_text(text, encoding="utf-8", errors="replace")
        growing.replace(path)
    finally:
        growing.unlink(missing_ok=True)
