"""An observation of another shape than the space says."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_MESSAGES = ("Unexpected observation shape", "could not broadcast input array from shape")


def _matches(finding: Finding) -> bool:
    error = finding.details.get("uncaught-exception")
    message = str(error["message"]) if error is not None else ""
    return finding.verdict is Verdict.EXCEPTION and any(part in message for part in _MESSAGES)


CAUSE = Cause(
    id="observation-shape",
    title="the environment gave an observation of another shape than its observation space says",
    explanation=(
        "The policy and the buffer are built for the shape of observation_space. An observation of another shape "
        "fails where it is first used, which may be in the policy, in the buffer or in the copying of a "
        "vectorised environment."
    ),
    advice=(
        "Run stable_baselines3.common.env_checker.check_env on the environment, and step it past the place where "
        "this came up."
    ),
    reference="https://stable-baselines3.readthedocs.io/en/master/common/env_checker.html",
    matches=_matches,
)
