"""The links inside freed blocks were overwritten."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    said = finding.details.get("heap-message", {})
    return finding.verdict is Verdict.CRASH and said.get("family") == "use-after-free-likely"


CAUSE = Cause(
    id="freed-block-overwritten",
    title="a freed block of the heap was written to, which broke the links that the heap keeps in there",
    explanation=(
        "Freed blocks are chained through their own bytes. A write through a pointer that outlived its block "
        "breaks the chain, and so does a write past the end of the block before it; it is noticed when one of "
        "the next blocks is asked for."
    ),
    advice=(
        "Look for native objects that are used after they were freed, for what still holds their address, and for "
        "native code that writes into arrays of fixed size; AddressSanitizer or valgrind stop at the write itself."
    ),
    reference="https://cwe.mitre.org/data/definitions/416.html",
    matches=_matches,
)
