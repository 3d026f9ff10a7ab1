"""``diagnosis.md``: one run, what it is and what to do first, proof below."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from probes import causes, code
from probes.diagnosis import Diagnosis, Evidence
from probes.heap.check import HeapCheck
from reports import advice, heap_check_markdown, preflight_text, remedies_text, unobserved, waits_text, wording
from reports import markdown as md
from reports.pictures.of_run import RunPictures

_MAX_ITERATIONS = 12
_MAX_FRAMES = 30
_MAX_TELLING = 8
_MAX_NAMED = 4
_STACK = "text stack"
"""GitHub reads the first word; the page dims the frames that begin with a blank."""


def render(
    diagnosis: Diagnosis,
    heap_check: HeapCheck | None = None,
    pictures: RunPictures | None = None,
    cwd: str | None = None,
) -> str:
    """
    The whole document.

    :param heap_check: the second look at the heap, if there was one.
    :param pictures: to be referred to; their files lie beside the document.
    :param cwd: the folder in which the command was run.
    """
    drawn = pictures or RunPictures()
    parts = [
        f"# Diagnosis: {diagnosis.verdict}",
        md.text(diagnosis.summary),
        f"**What to do now:** {advice.what_now(diagnosis)}",
        *md.figure(drawn.timeline),
        _glance(diagnosis),
        *_time(diagnosis, drawn),
        *_where(diagnosis),
        "## Evidence",
        _evidence(diagnosis.evidence),
        "## Why not something else",
        _alternatives(diagnosis),
        *_cause(diagnosis),
        *preflight_text.section(diagnosis),
        *remedies_text.section(diagnosis),
        *heap_check_markdown.section(heap_check),
        *unobserved.section(diagnosis),
        "## The run",
        _environment(diagnosis),
        "## See it again",
        _again(diagnosis, cwd),
    ]
    return "\n\n".join(parts) + "\n"


def _time(diagnosis: Diagnosis, pictures: RunPictures) -> Iterable[str]:
    """Where the time went: by iteration, by phase, by function."""
    parts = [
        *_iterations(diagnosis),
        *_phases(diagnosis),
        *samples(diagnosis.evidence),
        *(part for flame in pictures.flames for part in md.figure(flame)),
    ]
    if parts:
        yield "## Where the time went"
        yield from parts


def _where(diagnosis: Diagnosis) -> Iterable[str]:
    """Where it stood, and whom it waited for."""
    folded = list(stacks(diagnosis.evidence))
    if folded:
        yield "## Where it stood"
        yield "Innermost call first, and only code outside torch, numpy and Python itself; below it, all of them:"
        yield from folded
    yield from waits_text.section(diagnosis)


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
    yield "### Rollouts and updates, side by side"
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
    yield "### Phases"
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
    """The stacks among the evidence, innermost call first: of the first what explains something, all behind folds."""
    first = True
    for item in items:
        frames = item.detail.get("frames")
        if not frames:
            continue
        if isinstance(frames[0], dict):  # a traceback comes outermost first
            frames = [[row["function"], row["file"], row["line"]] for row in reversed(frames)]
        telling = [frame for frame in frames if not (code.is_engine(frame[1]) or code.is_ours(frame[1]))]
        if first and telling:
            yield md.block("\n".join(_lines(telling[:_MAX_TELLING])), _STACK)
            first = False
        whole = [frame for frame in frames[:_MAX_FRAMES] if not code.is_ours(frame[1])]
        title = f"{_named(telling or frames)} (whole stack, from {item.kind})"
        yield md.fold(title, md.block("\n".join(_lines(whole)), _STACK))


def _lines(frames: Iterable[list[Any]]) -> Iterable[str]:
    for function, file, line in frames:
        yield f"{'  ' if code.is_engine(file) else '> '}{function}  {code.place(file, line)}"


def _named(frames: list[list[Any]]) -> str:
    """The innermost calls: ``settle ← train ← learn``."""
    shown = [code.bare(function) for function, *_ in frames[:_MAX_NAMED]]
    return " ← ".join(shown + (["…"] if len(frames) > len(shown) else []))


def samples(items: Iterable[Evidence]) -> Iterable[str]:
    """Where the samples of the profile fall."""
    found = next((item.detail for item in items if item.kind == "samples"), {})
    rows = found.get("rows")
    if not rows:
        return
    yield f"Where {found['samples']} samples below {md.code(found['below'])} fall (a function with all it calls):"
    yield md.table(
        ("function", "share"),
        [(md.code(f"{row['function']} ({row['place']})"), wording.percent(row["share"])) for row in rows],
        numeric=(1,),
    )
    if found.get("stack"):
        yield md.fold("The stack that was sampled most often, outermost first", md.block("\n".join(found["stack"])))


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


def _again(diagnosis: Diagnosis, cwd: str | None) -> str:
    """The commands that show it once more."""
    command = shlex.join(diagnosis.command)
    lines = [f"cd {shlex.quote(cwd)}"] if cwd else []
    lines.append(f"freezelab run -- {command}")
    lines += [f"freezelab run --remedy {shlex.quote(item.id)} -- {command}" for item in diagnosis.remedies]
    return md.block("\n".join(lines), "sh")
