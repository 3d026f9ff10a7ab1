"""What native code printed as it ended its process: a C++ exception that nobody caught, an assertion that failed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from probes.evidence.observed import Ending, Observed
from probes.observer import Observations

_TERMINATE = re.compile(
    r"^(?:terminate called after throwing an instance of '(?P<gnu>[^'\n]+)'(?:\n\s+what\(\):  (?P<what>[^\n]*))?"
    r"|libc\+\+abi: terminating due to uncaught exception of type (?P<llvm>[^\n]+?)(?:: (?P<llvm_what>[^\n]*))?$)",
    re.MULTILINE,
)
_ASSERTION = re.compile(
    r"^(?:[^\s:]+: )?(?P<file>[^\s:]+):(?P<line>\d+): (?P<function>[^\n]{1,300}?): "
    r"Assertion `(?P<condition>[^\n]*)' failed\.\s*$",
    re.MULTILINE,
)
_ALLOCATOR = re.compile(r"(?:^|/)(?:malloc|arena)\.c$")
"""Its assertions speak of a damaged heap, which is told elsewhere."""


def last_words(seen: Observations, ending: Ending) -> Iterator[Observed]:
    """The last such message, if the run did not end well."""
    if ending.by_us is not None or ending.status == 0:
        return
    found = [(match.start(), "terminate", match) for match in _TERMINATE.finditer(ending.stderr_tail)]
    found += [
        (match.start(), "assertion", match)
        for match in _ASSERTION.finditer(ending.stderr_tail)
        if not _ALLOCATOR.search(match["file"])
    ]
    if not found:
        return
    _, kind, match = max(found, key=lambda item: item[0])
    at = max((seen.at_s(death.at_ns) for death in seen.deaths), default=ending.after_s)
    if kind == "terminate":
        thrown, what = match["gnu"] or match["llvm"], match["what"] or match["llvm_what"]
        said = f", which says {what!r}" if what else ""
        yield Observed(
            "last-words",
            at,
            f"the C++ runtime said before it ended: an exception of type {thrown}{said}, was not caught",
            {"kind": kind, "type": thrown, "what": what},
        )
        return
    yield Observed(
        "last-words",
        at,
        f"an assertion failed before it ended: {match['condition']!r} in {match['function']} "
        f"({match['file']}:{match['line']})",
        {"kind": kind, "condition": match["condition"], "file": match["file"], "line": int(match["line"])},
    )
