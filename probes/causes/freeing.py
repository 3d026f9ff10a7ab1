"""Who gave a block back when the C library noticed that something was wrong with it."""

from __future__ import annotations

from probes.causes.interface import Finding

_SOUND = ("libtorch", "libc10", "_multiarray_umath", "libpython", "python3")
"""Libraries that free what they have allocated themselves and nothing else, by how their names begin."""


def frees_its_own(finding: Finding) -> bool:
    """Whether it was a library of which it is known that it gives back only blocks of its own."""
    noticed = finding.details.get("death-stack", {}).get("noticed_by")
    return noticed is not None and str(noticed["library"]).startswith(_SOUND)
