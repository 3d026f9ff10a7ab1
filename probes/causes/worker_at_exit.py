"""A worker that does not end when it is told to."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    closes = finding.ends_in("close", "/subproc_vec_env.py") or finding.ends_in("_exit_function", "/multiprocessing/")
    return finding.verdict is Verdict.EXIT_HANG and closes and finding.ends_in("join", "/multiprocessing/")


CAUSE = Cause(
    id="worker-at-exit",
    title="the parent waits at its end for a worker that does not end",
    explanation=(
        "Closing a SubprocVecEnv joins each worker, and the interpreter joins every child that is no daemon. A "
        "worker whose own close waits, or that is joined before its queue is read, does not end, and so neither "
        "does the parent."
    ),
    advice="Look at where the worker stands, as told here; let its close return, or terminate it after a time limit.",
    reference="https://docs.python.org/3/library/multiprocessing.html#all-start-methods",
    matches=_matches,
)
