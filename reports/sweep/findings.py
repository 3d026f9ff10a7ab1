"""The findings of a sweep, each with its runs, its cause and its best evidence."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from matrix.analysis.analysis import Analysis, Finding
from probes import causes, signature
from probes.causes import Cause
from reports import markdown as md
from reports import run_stacks, run_time, wording
from reports.sweep.conclusion import ordered
from reports.sweep.effects import where_it_occurs
from reports.sweep.facts import Run, Runs, iterations
from reports.sweep.figures import label

_MAX_ROWS = 12
_MAX_FINDINGS = 20
_MAX_NAMED = 12
_MAX_RUNS = 50
"""Of a finding, whose diagnoses are read."""


def findings(analysis: Analysis, runs: Runs) -> Iterator[str]:
    yield "## Findings"
    found = ordered(analysis)
    for number, finding in enumerate(found, 1):
        if number > _MAX_FINDINGS:
            yield f"{len(found) - _MAX_FINDINGS} more, each of {wording.count(len(finding.results), 'run')} or fewer."
            return
        seen = [runs.of(result) for result in finding.results[:_MAX_RUNS]]
        yield f"### {number}. {md.text(finding.signature)}"
        named = [md.code(label(analysis, run.result)) for run in seen[:_MAX_NAMED]]
        more = len(finding.results) - len(named)
        yield (
            f"{wording.count(len(finding.results), 'run')}: {', '.join(named)}"
            + (f" and {more} more." if more else ".")
        )
        if not finding.verdict.is_failure:
            yield from _pace_table(analysis, seen)
            continue
        cause = causes.by_id(finding.results[0].observation.cause)
        if cause is not None:
            yield from _why(cause)
        if _is_one_of_several(analysis) and len(finding.results) > 1:
            yield where_it_occurs(analysis, finding)
        yield from _stack(finding)
        yield from _pace_table(analysis, seen)
        yield from _best_evidence(analysis, seen)


def _why(cause: Cause) -> Iterator[str]:
    yield f"**Why:** {cause.explanation}"
    yield f"**What helps:** {cause.advice} (<{cause.reference}>)"


def _pace_table(analysis: Analysis, seen: list[Run]) -> Iterator[str]:
    rows = [
        (
            md.code(label(analysis, run.result)),
            str(item["step"]),
            wording.seconds(item["collect_s"]),
            wording.seconds(item["train_s"]),
            f"{item['train_s'] / item['collect_s']:.1f}",
        )
        for run in seen
        for item in iterations([run])
    ]
    if rows:
        yield "Rollouts and the updates after them, side by side:"
        table = md.table(("run", "at step", "rollout", "update", "ratio"), rows, numeric=range(1, 5))
        yield table if len(rows) <= _MAX_ROWS else md.fold(f"{len(rows)} iterations", table)


def _best_evidence(analysis: Analysis, seen: list[Run]) -> Iterator[str]:
    """One run's evidence in full: the one whose verdict is surest."""
    known = [run for run in seen if run.diagnosis is not None]
    if not known:
        yield "(The folders of these runs are gone: no evidence can be shown.)"
        return
    best = max(known, key=lambda run: run.diagnosis.confidence if run.diagnosis else 0.0)
    diagnosis = best.diagnosis
    assert diagnosis is not None  # noqa: S101 - filtered above
    yield f"Evidence, from {md.code(label(analysis, best.result))} (confidence {diagnosis.confidence:.2f}):"
    yield "\n".join(f"- {md.text(item.says)}" for item in diagnosis.evidence)
    yield from run_time.samples(diagnosis.evidence)
    phases = diagnosis.timing.phases
    if phases:
        yield "Phase times of that run (inner phases included):"
        yield md.table(
            ("phase", "times", "in all", "longest"),
            [
                (name, f"{total['count']:.0f}", wording.seconds(total["total_s"]), wording.seconds(total["max_s"]))
                for name, total in sorted(phases.items(), key=lambda row: -row[1]["total_s"])
            ],
            numeric=range(1, 4),
        )
    yield from run_stacks.stacks(diagnosis.evidence)
    runner_up = diagnosis.alternatives[0] if diagnosis.alternatives else None
    if runner_up is not None:
        yield f"Why not {md.code(runner_up.verdict)}: {md.text(runner_up.why_not)}."
    folder = best.result.observation.folder
    if folder is not None:
        command = shlex.join(("freezelab", "report", folder, "--format", "html"))
        yield f"All of that run, with its timeline: {md.code(command)}, from this folder."


def _is_one_of_several(analysis: Analysis) -> bool:
    return sum(finding.verdict.is_failure for finding in analysis.findings) > 1 and bool(analysis.columns.varying)


def _stack(finding: Finding) -> Iterator[str]:
    """Where all of these runs stood, as they are compared by it."""
    stack = finding.results[0].observation.stack
    if stack is not None and signature.SEPARATOR in stack:
        yield "Where each of them stood, innermost call first, lines left out; this is what makes them one finding:"
        yield md.block(stack.replace(signature.SEPARATOR, "\n"))
