"""A step of an episode that is over."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    error = finding.error
    return (
        finding.verdict is Verdict.EXCEPTION
        and error is not None
        and (
            (
                error.type == "RuntimeError"
                and error.message.startswith("Tried to step environment that needs reset")
                and error.raised_in(("step",), "stable_baselines3/common/monitor.py")
            )
            or (
                error.type == "ResetNeeded"
                and "env.step()" in error.message
                and error.raised_in(("step",), "/gymnasium/wrappers/")
            )
        )
    )


CAUSE = Cause(
    id="step-after-end",
    title="an environment was stepped after the end of its episode, without a reset between",
    explanation=(
        "Monitor sees the episode end and refuses another step until a reset. Something outside of it did not "
        "pass the end on, or was not asked: a wrapper around Monitor that drops or delays terminated and "
        "truncated, or a loop of one's own that goes on."
    ),
    advice=(
        "Put Monitor outermost, or have every wrapper around it hand terminated and truncated on as they are; "
        "in a loop of one's own, reset when either is true."
    ),
    reference="https://stable-baselines3.readthedocs.io/en/master/common/monitor.html",
    matches=_matches,
)
