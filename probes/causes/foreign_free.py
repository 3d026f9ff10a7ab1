"""Something was freed that is no block of the heap."""

from __future__ import annotations

from probes.causes import freeing
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    said = finding.details.get("heap-message", {})
    invalid = finding.verdict is Verdict.CRASH and said.get("family") == "invalid-pointer"
    return invalid and not freeing.frees_its_own(finding)


CAUSE = Cause(
    id="foreign-pointer-freed",
    title="native code freed what is no block of the heap, or no longer looks like one",
    explanation=(
        "free() was given a pointer into the middle of a block, to memory of another allocator, or to something "
        "that was never allocated: an array of numpy's handed to a C function that frees it, for one."
    ),
    advice=("Free each block with the library that allocated it, at the address it was given out with."),
    reference="https://cwe.mitre.org/data/definitions/590.html",
    matches=_matches,
)
