"""What the heap keeps in front of its blocks was overwritten."""

from __future__ import annotations

from probes.causes import freeing
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    said = finding.details.get("heap-message", {})
    if finding.verdict is not Verdict.CRASH:
        return False
    # A block that its own library gives back is one, whatever it looks like by now.
    unlike = said.get("family") == "invalid-pointer" and freeing.frees_its_own(finding)
    return unlike or said.get("family") == "overflow-into-metadata"


CAUSE = Cause(
    id="heap-header-overwritten",
    title="the size in front of a block of the heap was overwritten, as by a write past the end of the block before",
    explanation=(
        "The C library keeps each block's size right in front of it. A write past the end of an array lands "
        "there. It is noticed only when one of the two blocks is freed or reused, which may be much later, and "
        "in code that has nothing to do with it."
    ),
    advice=(
        "Look for native code that writes into arrays of fixed size: not the function at the point of death, "
        "but one that ran before. AddressSanitizer or valgrind stop at the write itself."
    ),
    reference="https://cwe.mitre.org/data/definitions/787.html",
    matches=_matches,
)
