"""A module that waits for a thread that imports it."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    joined = finding.stands_in("join", "/threading.py") or finding.stands_in("result", "/_base.py")
    importing = any("importlib" in file for _, file in finding.frames)
    return finding.verdict is Verdict.DEADLOCK and importing and (joined or finding.stands_in("acquire", "importlib"))


CAUSE = Cause(
    id="import-lock",
    title="a module is being imported and waits for a thread that needs the lock of an import",
    explanation=(
        "While a module is imported its lock is held. A thread that was started by the import and imports the "
        "same module, or something that needs it, waits for that lock; joined by the import itself, neither goes "
        "on."
    ),
    advice="Start threads from a function that is called after the import, not at the top level of a module.",
    reference="https://docs.python.org/3/library/threading.html#threads-and-imports",
    matches=_matches,
)
