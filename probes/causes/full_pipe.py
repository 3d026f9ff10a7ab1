"""A pipe that is full because nobody reads it: a child fills it and is waited for, or one fills its own."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    own = finding.details.get("waits-on-itself", {}).get("wait")
    if finding.verdict is Verdict.DEADLOCK and own is not None:
        return bool(own["kind"] == "room" and "pipe" in own["what"])
    kinds = [wait["kind"] for wait in finding.chain]
    return (
        finding.verdict in (Verdict.BLOCKED, Verdict.DEADLOCK)
        and kinds[:1] == ["child"]
        and "room" in kinds[1:]
        and any("pipe" in wait["what"] for wait in finding.chain[1:])
    )


CAUSE = Cause(
    id="pipe-nobody-reads",
    title="a pipe is full, and who should read it waits for the end of who writes",
    explanation=(
        "A pipe holds 64 KiB. A child that has printed more waits until somebody reads; if its parent waits for "
        "its end instead of reading, neither goes on; nor does one that writes more than that into a pipe of its own. "
        "As long as little is written it works, so it comes up late."
    ),
    advice=(
        "Of a child, use subprocess.run or communicate(), which read while they wait, or send its output to a file or "
        "to DEVNULL. A pipe within one process needs another thread that reads."
    ),
    reference="https://docs.python.org/3/library/subprocess.html#subprocess.Popen.wait",
    matches=_matches,
)
