"""``bisect.md``: what brought the failure, what shows it, what is believed, what was run and what it cost."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator

from matrix.bisect.certificate import Certificate
from matrix.bisecting.result import Result
from matrix.bisecting.runs import Ended, Run, spent_s
from matrix.bisecting.view import name_of
from matrix.running.view import duration
from reports import bisect_text, wording
from reports import markdown as md
from reports.pictures import Picture
from reports.pictures.bars import percent, posterior

_SHOWN = 10
_MAX_OPEN = 24
"""Rows of a table that is shown unfolded."""


def believed(result: Result) -> Picture | None:
    """The most probable culprits as bars."""
    rows = [(name_of(culprit), share) for culprit, share in result.posterior[:_SHOWN]]
    return posterior("bisect-posterior", rows, "What the search believes")


def render(result: Result, drawn: Picture | None = None) -> str:
    """
    The whole document.

    :param drawn: what :func:`believed` drew; its file lies beside the document.
    """
    headline = bisect_text.headline(result)
    parts = [
        f"# {md.text(headline[0].upper() + headline[1:])}",
        *_transition(result),
        *(md.text(note) for note in result.notes),
        *_commands(result),
        *_shown_by(result.certificate),
        *_believed(result, drawn),
        "## What was run",
        *_runs(result),
        "## What it cost",
        _cost(result),
    ]
    return "\n\n".join(parts) + "\n"


def _transition(result: Result) -> Iterator[str]:
    rows = list(bisect_text.transition(result.facts))
    if rows:
        yield md.table(("", ""), [(md.text(label), md.link(says)) for label, says in rows])


def _commands(result: Result) -> Iterator[str]:
    command = result.again if result.conclusion is not None else result.go_on
    if command:
        yield "To see it again:" if result.conclusion is not None else "To go on (a `--budget` counts all runs):"
        yield md.block(shlex.join(command), "sh")


def _shown_by(certificate: Certificate | None) -> Iterator[str]:
    if certificate is None:
        return
    yield "## What shows it"
    if certificate.signature:
        yield f"Sought was: {md.text(certificate.signature)}."
    if certificate.pairs:
        yield md.table(
            ("what is shown", "with", "failed in", "without", "failed in"),
            [
                (
                    md.text(pair.shows),
                    md.code(bisect_text.candidate_name(pair.bad)),
                    f"{pair.bad_freezes} of {wording.count(pair.bad_freezes + pair.bad_passes, 'run')}",
                    md.code(bisect_text.candidate_name(pair.good)),
                    f"{pair.good_freezes} of {wording.count(pair.good_freezes + pair.good_passes, 'run')}",
                )
                for pair in certificate.pairs
            ],
        )
    for group in certificate.inseparable:
        yield f"These could only be tried together: {', '.join(map(md.code, group))}."
    if certificate.unresolved:
        table = md.table(
            ("could not be tried", "why"),
            [(md.code(bisect_text.candidate_name(item)), md.text(why)) for item, why in certificate.unresolved],
        )
        yield table if len(certificate.unresolved) <= _MAX_OPEN else md.fold("What could not be tried", table)


def _believed(result: Result, drawn: Picture | None) -> Iterator[str]:
    if not result.posterior:
        return
    yield "## What is believed"
    yield "How probable each culprit is, by all runs together:"
    yield from md.figure(drawn)
    table = md.table(
        ("culprit", "probability"),
        [(md.text(name_of(culprit)), percent(share)) for culprit, share in result.posterior[:_SHOWN]],
        numeric=(1,),
    )
    yield md.fold("The same as a table", table) if drawn is not None else table


def _runs(result: Result) -> Iterator[str]:
    table = md.table(
        ("#", "tried", "ended", "took", "what it said", "folder"),
        [_run(number, run) for number, run in enumerate(result.runs, 1)],
        numeric=(0, 3),
    )
    if not result.runs:
        yield "Nothing yet."
    else:
        yield table if len(result.runs) <= _MAX_OPEN else md.fold(f"The table of {len(result.runs)} runs", table)


def _run(number: int, run: Run[object]) -> tuple[str, ...]:
    ended = run.ended.value if run.ended in (Ended.PASSED, Ended.UNRESOLVED) else f"**{run.ended.value}**"
    return (
        str(number), md.code(bisect_text.candidate_name(run.candidate)), ended, duration(run.seconds),
        md.text(run.says), md.code(run.folder) if run.folder else "—",
    )  # fmt: skip


def _cost(result: Result) -> str:
    ends = Counter(run.ended.value for run in result.runs)
    tried = len({run.candidate for run in result.runs})
    rows = [
        ("runs", f"{len(result.runs)}, of {wording.count(tried, 'candidate')}"),
        ("of them", ", ".join(f"{number} {end}" for end, number in ends.most_common()) or "—"),
        ("time", f"{duration(spent_s(result.runs))}, building included"),
    ]
    if result.earlier:
        ends = Counter(run.ended.value for run in result.earlier)
        told = ", ".join(f"{number} {end}" for end, number in ends.most_common())
        rows.append(("earlier runs that counted, too", f"{len(result.earlier)}: {told}"))
    return md.table(("", ""), rows)
