"""A reset that Monitor was told to refuse."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    error = finding.error
    return (
        finding.verdict is Verdict.EXCEPTION
        and error is not None
        and error.type == "RuntimeError"
        and error.message.startswith("Tried to reset an environment before done")
        and error.raised_in(("reset",), "stable_baselines3/common/monitor.py")
    )


CAUSE = Cause(
    id="reset-before-end",
    title="an environment was reset before its episode was over, and its Monitor allows no early resets",
    explanation=(
        "With allow_early_resets=False a Monitor refuses a reset in the middle of an episode. A TimeLimit "
        "outside of Monitor cuts episodes that Monitor does not know to be over, and the reset that follows is "
        "refused; so is one that starts an evaluation or a second learn."
    ),
    advice=("Put TimeLimit inside of Monitor, or leave allow_early_resets at True."),
    reference="https://stable-baselines3.readthedocs.io/en/master/common/monitor.html",
    matches=_matches,
)
