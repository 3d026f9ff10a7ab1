"""An observation that is not made of numbers, or is not what its space is."""

from __future__ import annotations

import re

from probes.causes.interface import Cause, Error, Finding
from probes.verdicts import Verdict

_UNSTORABLE = re.compile(
    r"^float\(\) argument must be|^int\(\) argument must be|could not convert string to float|"
    r"^setting an array element with a sequence|^'NoneType' object is not subscriptable"
)
_STRUCTURE = re.compile(r"^non-(dict|tuple) observation for environment with (Dict|Tuple) observation space")


def _matches(finding: Finding) -> bool:
    error = finding.error
    return (
        finding.verdict is Verdict.EXCEPTION
        and error is not None
        and (
            (
                error.type in ("TypeError", "ValueError")
                and _UNSTORABLE.search(error.message) is not None
                and _stored(error)
            )
            or (error.type == "TypeError" and "numpy.object_" in error.message and _to_torch(error))
            or (error.type == "AssertionError" and _STRUCTURE.search(error.message) is not None and _stored(error))
        )
    )


def _stored(error: Error) -> bool:
    return error.raised_in(("_save_obs",), "stable_baselines3/common/vec_env/dummy_vec_env.py") or error.raised_in(
        ("_stack_obs", "_flatten_obs"), "stable_baselines3/common/vec_env/subproc_vec_env.py"
    )


def _to_torch(error: Error) -> bool:
    return error.raised_in(("obs_as_tensor",), "stable_baselines3/common/utils.py")


CAUSE = Cause(
    id="observation-type",
    title="the environment gave an observation of another structure than its observation space, or one without numbers",
    explanation=(
        "What an environment returns is copied into an array of the space's dtype. None, a text or a ragged "
        "list has no place in it; with several processes the array gets the dtype object and torch refuses it."
    ),
    advice=(
        "Return numpy arrays of the space's own dtype from step and reset, in the structure of the space (a "
        "dict for a Dict space), and fill what is missing with numbers."
    ),
    reference="https://stable-baselines3.readthedocs.io/en/master/common/env_checker.html",
    matches=_matches,
)
