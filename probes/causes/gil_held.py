"""The interpreter lock, held by a native call that waits."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    return finding.verdict in (Verdict.DEADLOCK, Verdict.BLOCKED) and "gil-held" in finding.details


CAUSE = Cause(
    id="gil-held",
    title="a native call waits while it holds the interpreter lock, and no other thread can go on",
    explanation=(
        "Only one thread at a time runs Python. A native function that waits without giving the lock away (a "
        "PyDLL call, an extension without Py_BEGIN_ALLOW_THREADS) stops all of them; if what it waits for must "
        "come from one of those, it never comes."
    ),
    advice="Call it through ctypes.CDLL, or release the lock around the wait in the extension.",
    reference="https://docs.python.org/3/c-api/init.html#releasing-the-gil-from-extension-code",
    matches=_matches,
)
