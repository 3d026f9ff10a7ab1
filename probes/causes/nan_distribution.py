"""A policy whose outputs are not numbers any more."""

from __future__ import annotations

import re

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_MESSAGE = re.compile(r"Expected (parameter|value argument) .* to satisfy the constraint|found invalid values")


def _matches(finding: Finding) -> bool:
    error = finding.details.get("uncaught-exception")
    return (
        finding.verdict is Verdict.EXCEPTION
        and error is not None
        and error["type"] == "ValueError"
        and _MESSAGE.search(str(error["message"])) is not None
        and "nan" in str(error["message"])
    )


CAUSE = Cause(
    id="nan-in-policy",
    title="the policy gave NaN: an observation, a reward or an update before had made it so",
    explanation=(
        "A distribution refuses parameters that are no numbers. They come of a NaN or Inf in an observation or a "
        "reward, which one update spreads over all weights, or of an update that diverged; the error comes later "
        "than what caused it."
    ),
    advice=(
        "Wrap the environment in VecCheckNan(raise_exception=True), which names the step; look at the first NaN "
        "that is told here, if one was seen. Lower the learning rate if none was."
    ),
    reference="https://stable-baselines3.readthedocs.io/en/master/guide/checking_nan.html",
    matches=_matches,
)
