"""Who waits for whom: what each thread of a family waits on, and who is at the other end of it."""

from __future__ import annotations

from probes.waits.calls import Kind
from probes.waits.graph import Chain, End, Wait, WaitGraph
from probes.waits.reading import read_waits

__all__ = ["Chain", "End", "Kind", "Wait", "WaitGraph", "read_waits"]
