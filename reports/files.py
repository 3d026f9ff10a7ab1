"""Writes reports and the pictures beside them, each file whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from matrix.analysis.analysis import Analysis
from matrix.bisecting.result import Result
from probes.diagnosis import Diagnosis
from probes.heap.check import HeapCheck
from probes.verdicts import Verdict
from reports import bisect_markdown, bisect_text, html, run_markdown, sweep_markdown
from reports.pictures import Picture
from reports.pictures.of_run import run_pictures
from reports.pictures.of_sweep import sweep_pictures


def run_report(diagnosis: Diagnosis, folder: Path) -> Path:
    """
    Writes ``diagnosis.md``, its pictures and ``diagnosis.html``.

    :return: the path of the markdown; the page's differs in its suffix.
    :raises OSError: one of them can't be written.
    """
    pictures = run_pictures(folder, diagnosis)
    text = run_markdown.render(diagnosis, HeapCheck.load(folder), pictures, _cwd(folder))
    return _written(folder / "diagnosis.md", text, f"Diagnosis: {diagnosis.verdict}", pictures.all, diagnosis.verdict)


def sweep_report(analysis: Analysis, folder: Path) -> Path:
    """
    Writes ``report.md``, its pictures and ``report.html``.

    :return: the path of the markdown; the page's differs in its suffix.
    :raises OSError: one of them can't be written.
    """
    pictures = sweep_pictures(analysis)
    text = sweep_markdown.render(analysis, folder, pictures)
    return _written(folder / "report.md", text, analysis.plan.name, pictures.all)


def bisect_report(result: Result, folder: Path) -> Path:
    """
    Writes ``bisect.md``, its picture and ``bisect.html``.

    :return: the path of the markdown; the page's differs in its suffix.
    :raises OSError: one of them can't be written.
    """
    drawn = bisect_markdown.believed(result)
    text = bisect_markdown.render(result, drawn)
    return _written(folder / "bisect.md", text, bisect_text.headline(result), [drawn] if drawn is not None else [])


def _cwd(folder: Path) -> str | None:
    try:
        cwd = json.loads((folder / "meta.json").read_text(encoding="utf-8")).get("cwd")
    except (OSError, ValueError, AttributeError):
        return None
    return cwd if isinstance(cwd, str) else None


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
