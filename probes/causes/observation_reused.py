"""An environment that hands out the array it goes on writing to."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    return finding.verdict is Verdict.CORRUPTION and "aliased-observation" in finding.details


CAUSE = Cause(
    id="observation-reused",
    title="the environment hands out one array again and again, and writes the next observation over the last",
    explanation=(
        "An observation is stored one step after it was handed out. If the environment has written the next one "
        "into the same array by then, the buffer holds another observation than the policy saw; nothing fails, "
        "but what is learnt is wrong."
    ),
    advice="Return a copy (observation.copy()) from step and reset.",
    reference="https://gymnasium.farama.org/api/env/#gymnasium.Env.step",
    matches=_matches,
)
