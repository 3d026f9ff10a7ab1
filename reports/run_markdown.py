"""``diagnosis.md``: one run, what it is and what to do first, proof below."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from probes import causes
from probes.diagnosis import Diagnosis, Evidence
from probes.heap.check import HeapCheck
from reports import (
    advice,
    heap_check_markdown,
    local_variables,
    preflight_text,
    remedies_text,
    run_environment,
    run_stacks,
    run_time,
    unobserved,
    wording,
)
from reports import markdown as md
from reports.local_variables import ThreadVariables
from reports.pictures.of_run import RunPictures


def render(
    diagnosis: Diagnosis,
    heap_check: HeapCheck | None = None,
    pictures: RunPictures | None = None,
    cwd: str | None = None,
    variables: Sequence[ThreadVariables] = (),
) -> str:
    """
    The whole document.

    :param heap_check: the second look at the heap, if there was one.
    :param pictures: to be referred to; their files lie beside the document.
    :param cwd: the folder in which the command was run.
    :param variables: local variables to be shown; like all else, they must have been redacted.
    """
    drawn = pictures or RunPictures()
    parts = [
        f"# Diagnosis: {diagnosis.verdict}",
        f"**{md.text(advice.what_it_is(diagnosis))}** {md.text(diagnosis.summary)}",
        f"**What to do now:** {advice.what_now(diagnosis)}",
        *md.figure(drawn.timeline),
        _glance(diagnosis),
        *run_time.section(diagnosis, drawn),
        *run_stacks.section(diagnosis),
        *local_variables.section(variables),
        "## Evidence",
        _evidence(diagnosis.evidence),
        "## Why not something else",
        _alternatives(diagnosis),
        *_cause(diagnosis),
        *preflight_text.section(diagnosis),
        *remedies_text.section(diagnosis),
        *heap_check_markdown.section(heap_check),
        *unobserved.section(diagnosis),
        *run_environment.section(diagnosis),
        "## See it again",
        _again(diagnosis, cwd),
    ]
    return "\n\n".join(parts) + "\n"


def _glance(diagnosis: Diagnosis) -> str:
    rows = [
        ("verdict", f"**{diagnosis.verdict}** (confidence {diagnosis.confidence:.2f})"),
        ("phase", md.text(diagnosis.phase or "—")),
        ("step", str(diagnosis.step) if diagnosis.step is not None else "—"),
        ("culprit", md.code(wording.place(diagnosis.culprit)) if diagnosis.culprit else "—"),
        ("known cause", md.code(diagnosis.cause) if diagnosis.cause else "—"),
        ("observed for", wording.seconds(diagnosis.timing.observed_s)),
        ("first suspicion after", wording.seconds(diagnosis.timing.detected_after_s)),
    ]
    if diagnosis.signal is not None:
        said = f", after {md.code(diagnosis.signal.heap_message)}" if diagnosis.signal.heap_message else ""
        rows.append(("signal", md.text(diagnosis.signal.name) + said))
    return md.table(("", ""), rows)


def _cause(diagnosis: Diagnosis) -> Iterable[str]:
    cause = causes.by_id(diagnosis.cause)
    if cause is not None:
        yield "## Why, and what helps"
        yield cause.explanation
        yield f"**What helps:** {cause.advice}"
        yield f"Reference: <{cause.reference}>"


def _evidence(items: Iterable[Evidence]) -> str:
    return md.table(
        ("after", "what was seen", "speaks for", "speaks against"),
        [
            (
                wording.seconds(item.at_s),
                md.text(item.says),
                ", ".join(item.supports) or "—",
                ", ".join(item.opposes) or "—",
            )
            for item in items
        ],
        numeric=(0,),
    )


def _alternatives(diagnosis: Diagnosis) -> str:
    return md.table(
        ("verdict", "score", "why not"),
        [(str(item.verdict), f"{item.score:.1f}", md.text(item.why_not)) for item in diagnosis.alternatives],
        numeric=(1,),
    )


def _again(diagnosis: Diagnosis, cwd: str | None) -> str:
    """The commands that show it once more."""
    command = shlex.join(diagnosis.command)
    lines = [f"cd {shlex.quote(cwd)}"] if cwd else []
    lines.append(f"freezelab run -- {command}")
    lines += [f"freezelab run --remedy {shlex.quote(item.id)} -- {command}" for item in diagnosis.remedies]
    return md.block("\n".join(lines), "sh")
