"""A mapped file that became shorter."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    if finding.verdict is not Verdict.CRASH:
        return False
    broken = finding.details.get("broken-mapping", {})
    return finding.signal == broken.get("signal") == "SIGBUS" and any(not found["full"] for found in broken["mappings"])


CAUSE = Cause(
    id="mapped-file-cut",
    title="a file that the process has mapped became shorter, and it read behind the new end",
    explanation=(
        "numpy.memmap and mmap give a file's bytes as memory. Who cuts the file, or writes it anew in place, "
        "takes pages away that a process still has mapped; the next access to one of them is a bus error "
        "(SIGBUS)."
    ),
    advice=(
        "Write the new content to another file and move it over the old one with os.replace: who has the old "
        "one mapped keeps it. Or read the file instead of mapping it."
    ),
    reference="https://man7.org/linux/man-pages/man2/mmap.2.html",
    matches=_matches,
)
