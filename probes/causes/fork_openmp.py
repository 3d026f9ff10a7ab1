"""OpenMP after a fork."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    if finding.verdict is not Verdict.DEADLOCK or finding.culprit is None or finding.culprit.process == "main":
        return False
    # The team of threads was the parent's: in the child there is nobody but the one that waits for it.
    alone = finding.details.get("native-stack", {}).get("threads") == 1
    return alone and finding.waits_in("libgomp", "libiomp", "libomp")


CAUSE = Cause(
    id="fork-after-openmp",
    title="the process was forked after its parent had used OpenMP, and waits for threads that the fork left behind",
    explanation=(
        "A fork copies one thread only. The OpenMP runtime in the child still believes in the team of threads "
        "that the parent had started, and its next parallel region waits for them for ever."
    ),
    advice=(
        "Start workers before the first parallel computation, with start_method=forkserver or spawn, or give the "
        "parent one thread (OMP_NUM_THREADS=1)."
    ),
    reference="https://gcc.gnu.org/bugzilla/show_bug.cgi?id=58378",
    matches=_matches,
)
