"""A CPU quota that is used up in most periods."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    held = finding.details.get("cpu-throttled")
    return (
        finding.verdict in (Verdict.SLOW_PHASE, Verdict.SLOWDOWN)
        and held is not None
        and bool(held.get("periods"))
        and held["throttled"] >= 0.5 * held["periods"]
    )


CAUSE = Cause(
    id="cpu-quota",
    title="the control group may use less CPU than the threads want, and is held back in most periods",
    explanation=(
        "A container with a CPU quota is stopped for the rest of each period once the quota is used. Libraries "
        "that count the cores of the machine start a thread for each of them, use the quota up at once, and stand "
        "still for most of the time."
    ),
    advice=(
        "Give the process as many threads as the quota has cores (OMP_NUM_THREADS, torch.set_num_threads), or "
        "raise the quota."
    ),
    reference="https://docs.kernel.org/scheduler/sched-bwc.html",
    matches=_matches,
)
