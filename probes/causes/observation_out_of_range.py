"""A discrete observation outside of its space."""

from __future__ import annotations

import re

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_MESSAGE = re.compile(r"Class values must be (smaller than num_classes|non-negative)")


def _matches(finding: Finding) -> bool:
    error = finding.error
    return (
        finding.verdict is Verdict.EXCEPTION
        and error is not None
        and error.type == "RuntimeError"
        and _MESSAGE.match(error.message) is not None
        and error.passed(("preprocess_obs",), "stable_baselines3/common/preprocessing.py")
    )


CAUSE = Cause(
    id="observation-out-of-range",
    title="the environment gave a discrete observation that is outside of its observation space",
    explanation=(
        "A Discrete observation is turned into as many columns as the space has values. A value that is "
        "negative, or as large as their number or larger, has no column. Other spaces are not checked at every "
        "step, so the same mistake passes unseen there."
    ),
    advice=("Count from 0 to n - 1, or make the space larger; Discrete(n) has no value n."),
    reference="https://gymnasium.farama.org/api/spaces/fundamental/#gymnasium.spaces.Discrete",
    matches=_matches,
)
