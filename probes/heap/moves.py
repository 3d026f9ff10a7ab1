"""How a heap fault moved from one rung of the ladder to the next, and what that means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from probes.diagnosis import Diagnosis
from probes.heap import messages as heap
from probes.verdicts import Verdict


@dataclass(frozen=True)
class Sighting:
    """What one run showed of the fault. None is unknown."""

    verdict: Verdict
    crashed: bool
    signal: str | None
    message: str | None
    function: str | None
    """Where it was noticed."""
    library: str | None
    step: int | None
    """The step at which the run ended."""
    lasted_s: float
    cut_short: bool = False
    """Whether we ended the run, because it had gone on for far longer than the first."""

    @property
    def family(self) -> heap.Family | None:
        return heap.classify(self.message) if self.message is not None else None

    @property
    def place(self) -> str | None:
        """``function (library)``."""
        if self.function is None:
            return None
        return f"{self.function} ({self.library})" if self.library else self.function

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "verdict": self.verdict.value, "family": str(self.family) if self.family else None}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Sighting:
        known = {name: value[name] for name in cls.__dataclass_fields__}
        return cls(**{**known, "verdict": Verdict(value["verdict"])})


def sighting(diagnosis: Diagnosis, stderr: str = "") -> Sighting:
    """What a run's diagnosis, and what it printed, show of the fault."""
    details = {item.kind: item.detail for item in diagnosis.evidence}
    death = details.get("death-stack")
    noticed = (death or {}).get("noticed_by")
    sanitizer = heap.sanitizer_place(stderr)
    function: str | None
    library: str | None
    culprit = diagnosis.culprit
    if sanitizer is not None:
        function, library = sanitizer.function, sanitizer.library
    elif noticed:
        function, library = noticed["function"], noticed["library"]
    else:
        function = culprit.function if culprit else None
        library = (culprit.library or culprit.file.rpartition("/")[2]) if culprit else None
    message = details.get("heap-message", {}).get("message")
    return Sighting(
        verdict=diagnosis.verdict,
        crashed=diagnosis.verdict is Verdict.CRASH or message is not None or death is not None,
        signal=diagnosis.signal.name if diagnosis.signal else (death or {}).get("signal"),
        message=message,
        function=None if function is None else "?" if function.startswith("0x") else function,
        library=library,
        step=diagnosis.step,
        lasted_s=diagnosis.timing.observed_s,
        cut_short="ended-by-us" in details,
    )


def touches_heap(diagnosis: Diagnosis) -> bool:
    """Whether a run died in a way that a damaged heap explains: one fault gives messages now, plain faults then."""
    seen = sighting(diagnosis)
    return seen.crashed and (seen.message is not None or seen.signal in ("SIGSEGV", "SIGBUS"))


def moves(first: Sighting, now: Sighting) -> tuple[str, ...]:
    """What is different from the first run, in words; empty if nothing is."""
    if not now.crashed:
        further = now.step is None or first.step is None or now.step > first.step
        if not now.cut_short or further:
            return ("vanished",)
        return ("not reached",)
    found = []
    if first.step is not None and now.step is not None and now.step != first.step:
        found.append("earlier" if now.step < first.step else "later")
    if now.message is not None and heap.kind(now.message) != heap.kind(first.message):
        found.append("other message")
    elif now.message is None and now.signal != first.signal:
        found.append("other signal")
    if now.place is not None and first.place is not None and now.place != first.place:
        found.append("other place")
    return tuple(found)


def interpretation(first: Sighting, tried: Sequence[tuple[str, Sighting]]) -> list[str]:
    """
    What the moves mean, one sentence each, the most telling first.

    :param tried: rung id and what was seen, in the order of the ladder.
    """
    if not tried:
        return ["No rung could be tried on this machine: nothing can be said."]
    by_rung = dict(tried)
    came = [(rung, seen) for rung, seen in tried if seen.crashed]
    said = [*_sanitizer(by_rung.get("asan")), *_checks(first, by_rung), *_tcache(first, by_rung.get("tcache-off"))]
    said += [*_perturb(first, by_rung), *_python(by_rung), *_together(first, tried, came)]
    said.append(
        "Each rung is one run, and a heap fault need not come in every run. Where it was noticed is not where it was "
        "caused: the mistake was made at some time before."
    )
    return said


def _sanitizer(seen: Sighting | None) -> Iterator[str]:
    if seen is None or not seen.crashed or not (seen.message or "").startswith("AddressSanitizer"):
        return
    family = seen.family
    means = f": {heap.EXPLANATIONS[family]}" if family is not None else ""
    yield (
        f"AddressSanitizer caught the access itself, in {seen.place or 'a place that it could not name'}{means}. Its "
        "report (in that rung's stderr.log) also names who allocated and who freed the block. That is the place to "
        "look at first."
    )


def _checks(first: Sighting, by_rung: dict[str, Sighting]) -> Iterator[str]:
    seen = by_rung.get("malloc-check")
    if seen is None or not seen.crashed or seen.message is None:
        return
    moved = moves(first, seen)
    at = f" in {seen.place}" if seen.place else ""
    if "earlier" in moved:
        yield (
            f"With each block checked as it is freed, the fault shows at step {seen.step} instead of {first.step}"
            f"{at}: the mistake was made before that."
        )
    if seen.family is heap.Family.INVALID_POINTER and first.family is not heap.Family.INVALID_POINTER:
        yield (
            f"glibc's debugging allocator says {seen.message!r}{at} where the plain one said "
            f"{first.message or first.signal!r}: the block that was freed there had been freed before, or something "
            "had written past its end. Look at who writes into that block."
        )


def _tcache(first: Sighting, seen: Sighting | None) -> Iterator[str]:
    if seen is None:
        return
    if seen.crashed and first.family is seen.family is heap.Family.DOUBLE_FREE and first.message != seen.message:
        yield (
            f"Without the per-thread cache another check of glibc's says the same ({seen.message!r}): it is a double "
            "free and no chance bit pattern."
        )
    elif seen.crashed and first.family is not None and seen.family is not None and first.family is not seen.family:
        yield (
            f"Without the per-thread cache the kind of message changed from {first.family} to {seen.family}: the "
            "messages are symptoms of one damage, none of them its name."
        )
    elif "vanished" in moves(first, seen):
        yield "Without the per-thread cache it did not come: it depends on how soon a freed block is given out again."


def _perturb(first: Sighting, by_rung: dict[str, Sighting]) -> Iterator[str]:
    seen, before = by_rung.get("perturb"), by_rung.get("tcache-off", first)
    if seen is None or not seen.crashed:
        return
    moved = moves(before, seen)
    if "other signal" in moved or "earlier" in moved or not before.crashed:
        yield (
            "It changed when freed and fresh memory was filled with a pattern: something reads memory that it has "
            "freed already, or that it never wrote."
        )


def _python(by_rung: dict[str, Sighting]) -> Iterator[str]:
    seen, before = by_rung.get("python-malloc"), by_rung.get("malloc-check")
    if seen is None or before is None or not seen.crashed:
        return
    moved = moves(before, seen)
    if not before.crashed or "earlier" in moved:
        yield (
            f"With Python's small objects on the same heap it shows {'sooner' if before.crashed else 'at all'}"
            f"{f' (in {seen.place})' if seen.place else ''}: the damaged block belongs to Python objects, so look at "
            "compiled extensions that write into them or free them."
        )


def _together(
    first: Sighting, tried: Sequence[tuple[str, Sighting]], came: Sequence[tuple[str, Sighting]]
) -> Iterator[str]:
    if not came:
        yield (
            f"It came in none of {len(tried)} more runs: it depends on timing or on the layout of the heap. That is no "
            "proof that it is gone; run the check again."
        )
        return
    places = {seen.place for _, seen in came} | {first.place}
    kinds = {heap.kind(seen.message) or seen.signal for _, seen in came} | {heap.kind(first.message) or first.signal}
    if len(places) == 1 and None not in places:
        same = "and the same message " if len(kinds) == 1 else ""
        yield (
            f"All {len(came) + 1} runs that crashed did so in the same place {same}({first.place}): the mistake is "
            "made there or just before, by the same steps each time."
        )
    elif len(kinds) > 1:
        listed = ", ".join(sorted(str(kind) for kind in kinds if kind is not None))
        yield f"Its message changed with the layout of the heap ({listed}): take them as one fault."
    stepped = [(seen.step, rung, seen) for rung, seen in came if seen.step is not None]
    if stepped and first.step is not None and (earliest := min(stepped, key=lambda item: item[0]))[0] < first.step:
        yield f"The earliest that it was noticed was step {earliest[0]}, on rung {earliest[1]}: look before that."
