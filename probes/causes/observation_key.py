"""An observation that lacks a key of its space."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_TAKERS = (
    ("_save_obs", "stable_baselines3/common/vec_env/dummy_vec_env.py"),
    ("_stack_obs", "stable_baselines3/common/vec_env/subproc_vec_env.py"),
    ("_flatten_obs", "stable_baselines3/common/vec_env/subproc_vec_env.py"),
    ("add", "stable_baselines3/common/buffers.py"),
)
"""Where a key of the space is taken out of an observation."""


def _matches(finding: Finding) -> bool:
    error = finding.error
    return (
        finding.verdict is Verdict.EXCEPTION
        and error is not None
        and error.type == "KeyError"
        and any(error.raised_in((function,), file) for function, file in _TAKERS)
    )


CAUSE = Cause(
    id="observation-key",
    title="the environment gave an observation without one of the keys of its Dict observation space",
    explanation=(
        "A vectorised environment, a buffer and a policy take each key of the observation space out of every "
        "observation. One that is left out now and then, because there was nothing to put there, fails only "
        "when that moment comes."
    ),
    advice=(
        "Give every key in every observation, with zeros and a flag where there is nothing to tell; the key "
        "that was missing is the error's message. stable_baselines3.common.env_checker.check_env looks at the "
        "first observations only."
    ),
    reference="https://gymnasium.farama.org/api/spaces/composite/#gymnasium.spaces.Dict",
    matches=_matches,
)
