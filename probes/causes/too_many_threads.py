"""More threads than cores."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    crowd = finding.details.get("torch-threads-far-exceed-cores") or finding.details.get("threads-exceed-cores")
    threads = finding.facts.get("torch_threads")
    return (
        finding.verdict in (Verdict.SLOW_PHASE, Verdict.SLOWDOWN)
        and crowd is not None
        and isinstance(threads, int)
        and threads > 2 * crowd["cores"]
    )


CAUSE = Cause(
    id="too-many-threads",
    title="torch was given more threads than there are cores, and they take them from each other",
    explanation=(
        "Every parallel computation waits for its last thread. With more threads than cores that one is always "
        "still waiting for a core, while the others burn theirs in a loop: the same work takes many times as "
        "long."
    ),
    advice=(
        "torch.set_num_threads, or OMP_NUM_THREADS, to the cores that the process may really use: its affinity "
        "and its control group count, not what the machine has. For small networks 1 is best."
    ),
    reference="https://github.com/DLR-RM/stable-baselines3/issues/121",
    matches=_matches,
)
