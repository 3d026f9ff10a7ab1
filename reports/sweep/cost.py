"""What an investigation has cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from matrix.analysis.analysis import Analysis
from matrix.running.view import duration
from reports import markdown as md
from reports import wording

_MIB = 1024 * 1024
_MAX_ENDS = 6


def cost(analysis: Analysis) -> Iterator[str]:
    """The whole section; nothing if no run's time is known."""
    observations = [result.observation for result in analysis.ran]
    walls = [item.wall_s for item in observations if item.wall_s is not None]
    proofs = [proof.observation.wall_s for proof in analysis.proofs if proof.observation.wall_s is not None]
    if not walls:
        return
    spent = Counter[str]()
    for item in observations:
        spent[str(item.verdict)] += round(1000 * (item.wall_s or 0.0))
    rows = [
        ("runs", f"{len(walls)}, which took {duration(sum(walls))} together, {duration(max(walls))} the longest"),
        (
            "time by verdict",
            ", ".join(f"{md.text(verdict)} {duration(ms / 1000)}" for verdict, ms in spent.most_common(_MAX_ENDS)),
        ),
    ]
    if proofs:
        rows.append(("remedies tried", f"{wording.count(len(proofs), 'run')}, {duration(sum(proofs))}"))
    locks = {item.lock for item in observations if item.lock is not None}
    if locks:
        rows.append(("environments", str(len(locks))))
    hosts = {item.host for item in observations if item.host is not None}
    if hosts:
        rows.append(("machines", str(len(hosts))))
    peaks = [item.peak_rss_bytes for item in observations if item.peak_rss_bytes is not None]
    if peaks:
        rows.append(("memory of a run", f"{max(peaks) / _MIB:.0f} MiB at most"))
    yield "## What it cost"
    yield md.table(("", ""), rows)
