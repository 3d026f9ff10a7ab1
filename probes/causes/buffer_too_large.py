"""A buffer larger than the memory."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.tracebacks import is_memory_error
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    error = finding.error
    return (
        finding.verdict is Verdict.OOM
        and error is not None
        and is_memory_error(error.type, error.message)
        and error.raised_in(("__init__", "reset"), "stable_baselines3/common/buffers.py")
    )


CAUSE = Cause(
    id="buffer-too-large",
    title="the buffer for past steps is larger than the memory that the process may have",
    explanation=(
        "Replay and rollout buffers are allocated whole when the model is built: their size times the bytes of "
        "an observation, twice for a replay buffer, which keeps the following observation too. Images and "
        "stacked frames make that large."
    ),
    advice=(
        "Take a smaller buffer_size or n_steps, observations of type uint8 or float32 instead of float64, or "
        "optimize_memory_usage=True; the error's message says how much was asked for."
    ),
    reference="https://stable-baselines3.readthedocs.io/en/master/modules/dqn.html",
    matches=_matches,
)
