"""What befell a process at the moment of its death: the stack it was caught with, and what was said of its heap."""

from __future__ import annotations

from collections.abc import Iterator

from probes import code
from probes.death import Death
from probes.evidence.observed import Ending, Observed
from probes.heap import messages as heap
from probes.observer import Observations

_SHOWN_FRAMES = 8
_KEPT_FRAMES = 60
NOTICED = "where it was noticed is not where it was caused"


def deaths(seen: Observations) -> Iterator[Observed]:
    """The stacks of processes that were held as they died."""
    for death in seen.deaths:
        if death.full_stack_bytes is not None:
            yield _overflow(seen, death, death.full_stack_bytes)
        if death.mappings:
            yield _broken(seen, death)
        if death.thread.frames:
            yield _stack(seen, death)


def _stack(seen: Observations, death: Death) -> Observed:
    frames = [frame for frame in death.thread.frames if not code.is_ours(frame.file)]
    named = [frame for frame in frames if not frame.function.startswith("0x")]
    stack = " <- ".join(frame.short for frame in named[:_SHOWN_FRAMES])
    noticer = heap.freeing_library(death.thread.frames)
    noticed = (
        f"; {noticer.function} ({noticer.library}) had called the C library's allocator, which noticed the damage: "
        f"{NOTICED}"
        if noticer is not None
        else ""
    )
    return Observed(
        "death-stack",
        seen.at_s(death.at_ns),
        f"at the point of death ({death.signal}) process {death.pid} stood in {stack}{noticed}",
        {
            "signal": death.signal,
            "pid": death.pid,
            "frames": [[f.function, f.file, f.line] for f in frames[:_KEPT_FRAMES]],
            "noticed_by": {"function": noticer.function, "library": noticer.library} if noticer is not None else None,
        },
    )


def _overflow(seen: Observations, death: Death, full_bytes: int) -> Observed:
    unread = "" if death.thread.frames else "; it is too deep to be read"
    return Observed(
        "stack-overflow",
        seen.at_s(death.at_ns),
        f"process {death.pid} died with its main thread's stack of {full_bytes / 1e6:.1f} MB full: "
        f"calls that never return, or too deep a recursion{unread}",
        {"signal": death.signal, "pid": death.pid, "stack_bytes": full_bytes},
    )


def _broken(seen: Observations, death: Death) -> Observed:
    """Files whose bytes were not there as the process wanted them."""
    told = "; ".join(
        f"{item.path} needs more room than its file system has left"
        if item.full
        else f"{item.path} has {item.file_bytes} bytes by now and is mapped up to byte {item.mapped_bytes}"
        for item in death.mappings
    )
    return Observed(
        "broken-mapping",
        seen.at_s(death.at_ns),
        f"a file that process {death.pid} has mapped had not all its bytes as it died of {death.signal}: {told}",
        {
            "signal": death.signal,
            "pid": death.pid,
            "mappings": [
                {"path": item.path, "mapped": item.mapped_bytes, "bytes": item.file_bytes, "full": item.full}
                for item in death.mappings
            ],
        },
    )


def heap_message(seen: Observations, ending: Ending) -> Iterator[Observed]:
    """What the C library, or AddressSanitizer, said before a process of the family died."""
    if ending.by_us is not None or ending.status == 0:
        return
    said = heap.message(ending.stderr_tail)
    if said is None:
        return
    family = heap.classify(said)
    speaker = "AddressSanitizer" if said.startswith("AddressSanitizer") else "the C library"
    explained = f", which means that {heap.EXPLANATIONS[family]}" if family is not None else ""
    at = max((seen.at_s(death.at_ns) for death in seen.deaths), default=ending.after_s)
    yield Observed(
        "heap-message",
        at,
        f"{speaker} said before it ended: {said!r}{explained}; {NOTICED}",
        {"message": said, "family": str(family) if family is not None else None},
    )
