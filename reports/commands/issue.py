"""Writes a bug report and its reproducer, both fit for the public."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matrix.analysis.analysis import Analysis
from probes.diagnosis import Diagnosis
from reports import local_variables, stored
from reports.commands import shrunk
from reports.commands.interface import UsageError
from reports.issue import reproducer, text
from reports.issue.reproducer import NoReproducerError, Reproducer
from reports.redaction.document import redacted
from reports.redaction.redactor import Redactor
from reports.redaction.script import ScriptError, redact_script
from reports.sweep.conclusion import ordered
from repro import options as training

ISSUE = "issue.md"
_PROGRAM = "repro"
"""The folder, and the module, of FreezeLab's own training program."""
_HEAD_OF_MODULE = ("-m", _PROGRAM)


@dataclasses.dataclass(frozen=True)
class Texts:
    """What is to be written: name to text."""

    issue: str
    reproducer: str | None


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What may be shown beyond what always is."""

    script: bool = False
    """The text of a user's script."""
    variables: bool = False
    """Local variables, where they were collected."""


def of_run(folder: Path, wanted: Wanted, found: shrunk.Found | None = None) -> Texts:
    """
    The bug report of one run.

    :param found: the bisection's result that this run shows; without it, one is looked for beside the folder.
    :raises UsageError: the run is healthy.
    :raises StoredError: no diagnosis is there.
    """
    diagnosis = stored.run(folder)
    if not diagnosis.verdict.is_failure:
        raise UsageError(f"{folder}: the run is healthy, there is nothing to report; name a run that is not")
    meta = stored.meta(folder)
    redactor = Redactor()
    fit = redacted(diagnosis, redactor)
    smaller, fit_smaller = diagnosis, fit
    if found is None and (found := shrunk.of_run(folder, diagnosis)) is not None:
        # The evidence stays that of the run that was asked for; the program is that of the smallest.
        smaller, meta = stored.run(found.folder), stored.meta(found.folder)
        fit_smaller = redacted(smaller, redactor)
    made, why_none = None, None
    try:
        made = _reproducer(smaller, fit_smaller, meta, redactor, include_script=wanted.script)
    except NoReproducerError as error:
        why_none = redactor.text(str(error))
    story = tuple(redactor.text(each) for each in found.says) if found else ()
    shown = text.Example(made, why_none, story, fit_smaller.command)
    variables = local_variables.stored(folder) if wanted.variables else ()
    told = [item.redacted(redactor) for item in variables]
    return Texts(text.render(fit, shown, told), made.text if made else None)


def of_search(search: Path, wanted: Wanted) -> Texts:
    """
    The bug report of a bisection: of the smallest that it saw fail.

    :raises UsageError: it found nothing, or the folders of what failed are gone.
    :raises MatrixError: its result can't be read.
    """
    found = shrunk.of_search(search)
    return of_run(found.folder, wanted, found)


def of_sweep(analysis: Analysis, folder: Path, wanted: Wanted) -> Texts:
    """
    The bug report of a sweep's foremost failure, by the run whose verdict is surest.

    :raises UsageError: nothing failed, or the folders of what did are gone.
    """
    failures = [finding for finding in ordered(analysis) if finding.verdict.is_failure]
    if not failures:
        raise UsageError(f"{folder}: no run of this sweep failed, there is nothing to report")
    for finding in failures:
        surest = sorted(finding.results, key=lambda result: -(result.observation.confidence or 0.0))
        there = [folder / below for below in (result.observation.folder for result in surest) if below is not None]
        for below in sorted(there, key=lambda below: not _is_shrunk(below)):
            with contextlib.suppress(stored.StoredError):
                return of_run(below, wanted)
    raise UsageError(f"{folder}: the folders of all runs that failed are gone, so that no evidence can be shown")


def _is_shrunk(folder: Path) -> bool:
    try:
        return shrunk.of_run(folder, stored.run(folder)) is not None
    except stored.StoredError:
        return False


def _reproducer(
    diagnosis: Diagnosis, fit: Diagnosis, meta: Mapping[str, Any], redactor: Redactor, *, include_script: bool
) -> Reproducer:
    words = _words_of_our_program(diagnosis.command)
    if words is not None:
        # Made of what is redacted, and of options that can't say anything private: a person called as one of the
        # program's words must not take that away.
        made = reproducer.of_program(fit, _parsed(words))
    elif include_script:
        # Looked for where it is; shown without whose folder that is.
        made = reproducer.of_script(diagnosis, Path(str(meta.get("cwd") or ".")), fit, str(meta.get("started_at")))
        try:
            shown = redact_script(made.text, redactor)
        except ScriptError as error:
            raise NoReproducerError(f"the script is not shown: {error}") from error
        made = dataclasses.replace(made, text=shown, arguments=redactor.words(made.arguments))
    else:
        raise NoReproducerError("the script's own text goes in with --include-script, if it is one short file")
    remedies = meta.get("remedies")
    if remedies:
        names = ", ".join(str(item.get("id", item)) if isinstance(item, dict) else str(item) for item in remedies)
        made = dataclasses.replace(made, notes=(*made.notes, redactor.text(f"the run had remedies applied ({names})")))
    return made


def _words_of_our_program(command: Sequence[str]) -> list[str] | None:
    """The options behind FreezeLab's own training program; None if the command runs another."""
    for place, word in enumerate(command):
        if tuple(command[place : place + 2]) == _HEAD_OF_MODULE:
            return list(command[place + 2 :])
        if place and Path(word).name == _PROGRAM and not command[place - 1].startswith("-"):
            return list(command[place + 1 :])
        if place and not word.startswith("-"):
            return None
    return None


def _parsed(words: list[str]) -> dict[str, Any]:
    """
    :raises NoReproducerError: they are no options of this FreezeLab's program.
    """
    if "--save" in words[:-1]:  # a folder of that machine
        place = words.index("--save")
        del words[place : place + 2]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            options = training.parse(words)
    except (SystemExit, training.UsageError, argparse.ArgumentError) as error:
        why = " ".join(said.getvalue().split()) or str(error)
        raise NoReproducerError(f"this FreezeLab's training program does not take these options ({why})") from error
    return {**vars(options), "total_timesteps": options.steps_to_learn, "target_kl": options.kl_limit}
