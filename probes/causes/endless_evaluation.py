"""An evaluation whose episodes do not end."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    endless = finding.details.get("episode-without-end")
    return finding.phase == "eval" and finding.verdict in (Verdict.SLOW_PHASE, Verdict.SPIN) and endless is not None


CAUSE = Cause(
    id="endless-evaluation",
    title="the evaluation takes step after step, and no episode ends",
    explanation=(
        "evaluate_policy returns when so many episodes have ended. A deterministic policy can get into a state "
        "that it never leaves, and an evaluation environment without a step limit then never ends the episode. "
        "The training waits in its callback."
    ),
    advice="Wrap the evaluation environment in a TimeLimit (max_episode_steps), inside the Monitor.",
    reference="https://github.com/hill-a/stable-baselines/issues/876",
    matches=_matches,
)
