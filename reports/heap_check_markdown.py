"""The part of ``diagnosis.md`` that tells how a heap fault moved on the ladder of ``--heap-check``."""

from __future__ import annotations

from collections.abc import Iterable

from probes.heap import messages as heap
from probes.heap.check import Attempt, HeapCheck
from probes.heap.moves import Sighting
from reports import markdown as md
from reports import wording


def section(check: HeapCheck | None) -> Iterable[str]:
    """Nothing if there was no second look."""
    if check is None:
        return
    yield "## A second look at the heap"
    yield (
        "The same command again, once for each rung, with nothing but environment variables changed. Each rung keeps "
        "what the one above it sets, except the last."
    )
    yield md.table(
        ("rung", "what is different", "verdict", "message", "noticed in", "step", "after", "against the first run"),
        [_row("(the first run)", "—", check.first, "—"), *(_attempt(item) for item in check.attempts)],
        numeric=(5, 6),
    )
    if not check.complete:
        yield "It was interrupted: the rungs that are missing were not tried."
    yield "\n".join(f"- {md.text(sentence)}" for sentence in check.says)


def _attempt(item: Attempt) -> tuple[str, ...]:
    if item.seen is None:
        return (md.code(item.rung), md.text(item.change), f"not tried: {md.text(item.why_not)}", *("—",) * 5)
    return _row(md.code(item.rung), md.text(item.change), item.seen, ", ".join(item.moved) or "the same")


def _row(name: str, change: str, seen: Sighting, moved: str) -> tuple[str, ...]:
    verdict = str(seen.verdict) + (f" ({seen.signal})" if seen.signal else "")
    return (
        name,
        change,
        "ended by FreezeLab, no crash by then" if seen.cut_short and not seen.crashed else verdict,
        md.code(heap.kind(seen.message)) if seen.message else "—",
        md.code(seen.place) if seen.place else "—",
        str(seen.step) if seen.step is not None else "—",
        wording.seconds(seen.lasted_s),
        moved,
    )


def line(item: Attempt) -> str:
    """One rung as plain text, as it is done."""
    if item.seen is None:
        return f"{item.rung}: not tried: {item.why_not}"
    seen = item.seen
    if not seen.crashed:
        return f"{item.rung}: {', '.join(item.moved)}"
    told = " · ".join(part for part in (heap.kind(seen.message) or seen.signal, seen.place) if part)
    return f"{item.rung}: {told or seen.verdict} ({', '.join(item.moved) or 'the same'})"
