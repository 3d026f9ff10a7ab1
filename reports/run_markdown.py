"""``diagnosis.md``: one run, what it is first, proof below."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from probes import causes, code
from probes.diagnosis import Diagnosis, Evidence
from probes.heap.check import HeapCheck
from reports import heap_check_markdown, preflight_text, remedies_text, waits_text, wording
from reports import markdown as md

_MAX_ITERATIONS = 12
_MAX_FRAMES = 30


def render(diagnosis: Diagnosis, heap_check: HeapCheck | None = None) -> str:
    """The whole document, from the diagnosis and the second look at the heap, if there was one."""
    parts = [
        f"# Diagnosis: {diagnosis.verdict}",
        md.text(diagnosis.summary),
        _glance(diagnosis),
        *_cause(diagnosis),
        *preflight_text.section(diagnosis),
        *remedies_text.section(diagnosis),
        *heap_check_markdown.section(heap_check),
        *_iterations(diagnosis),
        *_phases(diagnosis),
        "## Evidence",
        _evidence(diagnosis.evidence),
        *waits_text.section(diagnosis),
        *stacks(diagnosis.evidence),
        "## Why not something else",
        _alternatives(diagnosis),
        "## The run",
        _environment(diagnosis),
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
        rows.append(("signal", diagnosis.signal.name + said))
    return md.table(("", ""), rows)


def _cause(diagnosis: Diagnosis) -> Iterable[str]:
    cause = causes.by_id(diagnosis.cause)
    if cause is not None:
        yield "## Why, and what helps"
        yield cause.explanation
        yield f"**What helps:** {cause.advice}"
        yield f"Reference: <{cause.reference}>"


def _iterations(diagnosis: Diagnosis) -> Iterable[str]:
    rows = wording.visible_iterations(diagnosis)
    if not rows:
        return
    yield "## Rollouts and updates, side by side"
    yield md.table(
        ("at step", "rollout", "the update after it", "ratio", "minibatches"),
        [
            (
                str(row["step"]),
                wording.seconds(row["collect_s"]),
                wording.seconds(row["train_s"]),
                f"{row['train_s'] / row['collect_s']:.1f}" if row["collect_s"] else "—",
                str(row["minibatches"]),
            )
            for row in rows[:_MAX_ITERATIONS]
        ],
        numeric=range(5),
    )
    if len(rows) > _MAX_ITERATIONS:
        yield f"(the first {_MAX_ITERATIONS} of {len(rows)} that were kept)"


def _phases(diagnosis: Diagnosis) -> Iterable[str]:
    if not diagnosis.timing.phases:
        return
    yield "## Where the time went"
    yield "A phase's time includes the phases inside it."
    yield md.table(
        ("phase", "times", "in all", "on average", "longest"),
        [
            (
                name,
                f"{total['count']:.0f}",
                wording.seconds(total["total_s"]),
                wording.seconds(total["total_s"] / max(total["count"], 1)),
                wording.seconds(total["max_s"]),
            )
            for name, total in diagnosis.timing.phases.items()
        ],
        numeric=range(1, 5),
    )


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


def stacks(items: Iterable[Evidence]) -> Iterable[str]:
    """The stacks among the evidence, innermost call first, each behind a fold."""
    for item in items:
        frames = item.detail.get("frames")
        if not frames:
            continue
        if isinstance(frames[0], dict):  # a traceback comes outermost first
            frames = [[row["function"], row["file"], row["line"]] for row in reversed(frames)]
        lines = [
            f"{'  ' if code.is_engine(file) else '> '}{function}  {code.place(file, line)}"
            for function, file, line in frames[:_MAX_FRAMES]
            if not code.is_ours(file)
        ]
        title = f"Stack of {item.kind}, innermost first ('>' marks code outside torch, numpy and Python itself)"
        yield md.fold(title, md.block("\n".join(lines)))


def _alternatives(diagnosis: Diagnosis) -> str:
    return md.table(
        ("verdict", "score", "why not"),
        [(str(item.verdict), f"{item.score:.1f}", md.text(item.why_not)) for item in diagnosis.alternatives],
        numeric=(1,),
    )


def _environment(diagnosis: Diagnosis) -> str:
    environment = diagnosis.environment
    training = environment.get("training") or {}
    libraries = training.get("libraries") or {}
    rows = [
        ("command", md.code(shlex.join(diagnosis.command))),
        ("Python", md.text(environment.get("python") or "—")),
        ("libraries", md.text(", ".join(f"{name} {version}" for name, version in libraries.items()) or "—")),
        ("platform", md.text(environment.get("platform") or "—")),
        ("processor", md.text((environment.get("cpu") or {}).get("model") or "—")),
        ("GPU", md.text(environment.get("gpu") or "none seen")),
        ("WSL", "yes" if environment.get("wsl") else "no"),
        ("files", ", ".join(md.code(path) for path in diagnosis.artifacts.values()) or "—"),
    ]
    return md.table(("", ""), rows)
