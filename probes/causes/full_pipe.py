"""A child that fills a pipe which nobody reads, and is waited for."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    kinds = [wait["kind"] for wait in finding.chain]
    return (
        finding.verdict in (Verdict.BLOCKED, Verdict.DEADLOCK)
        and kinds[:1] == ["child"]
        and "room" in kinds[1:]
        and any("pipe" in wait["what"] for wait in finding.chain[1:])
    )


CAUSE = Cause(
    id="pipe-nobody-reads",
    title="it waits for the end of a child that waits for somebody to read what it prints",
    explanation=(
        "A pipe holds 64 KiB. A child that has printed more waits until somebody reads; if its parent waits for "
        "its end instead of reading, neither goes on. As long as the child prints little it works, so it comes up "
        "late."
    ),
    advice=(
        "Use subprocess.run or communicate(), which read while they wait, or send the output to a file or to DEVNULL."
    ),
    reference="https://docs.python.org/3/library/subprocess.html#subprocess.Popen.wait",
    matches=_matches,
)
