"""A C++ exception that nobody caught."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    words = finding.details.get("last-words", {})
    return finding.verdict is Verdict.CRASH and words.get("kind") == "terminate" and finding.signal == "SIGABRT"


CAUSE = Cause(
    id="cpp-exception",
    title="native code threw a C++ exception that nothing on its way caught, and the C++ runtime ended the process",
    explanation=(
        "An exception that leaves C++ through a C function, as ctypes and C extensions call them, or that "
        "leaves a thread's or a noexcept function, finds no handler: std::terminate is called, which aborts. "
        "Python's own try does not see it."
    ),
    advice=(
        "Catch it in the native function that Python calls and return an error code, or bind it with pybind11, "
        "which turns it into a Python exception. Its type, and what it says, are in the evidence."
    ),
    reference="https://en.cppreference.com/w/cpp/error/terminate",
    matches=_matches,
)
