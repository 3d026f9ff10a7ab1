"""An action that is none of the environment's."""

from __future__ import annotations

import re

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_MESSAGE = re.compile(r"\(<class '[\w.]+'>\) invalid$")


def _matches(finding: Finding) -> bool:
    error = finding.error
    return (
        finding.verdict is Verdict.EXCEPTION
        and error is not None
        and error.type == "AssertionError"
        and _MESSAGE.search(error.message) is not None
        and error.raised_in(("step",), "/gymnasium/envs/")
    )


CAUSE = Cause(
    id="action-invalid",
    title="the environment was given an action that is not in its action space, by value, type or shape",
    explanation=(
        "Environments of gymnasium refuse an action that their action space does not contain. The usual reason "
        "is an array where one number is meant: the answer of predict for a vectorised environment has one "
        "action for each of its environments."
    ),
    advice=(
        "Step a single environment with a single action (action.item() of a discrete one), a vectorised one "
        "with an array of them, and keep predict and step on the same kind of environment."
    ),
    reference="https://gymnasium.farama.org/api/env/#gymnasium.Env.step",
    matches=_matches,
)
