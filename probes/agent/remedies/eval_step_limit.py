"""
``eval-step-limit=N``: an episode of ``evaluate_policy`` ends after N steps, as by a time limit.

Done at the vectorised environment at the bottom, below all wrappers, for as long as the evaluation lasts: there the
environment can be reset, and wrappers see an ordinary end. A Monitor has not seen it, so its figures are given too.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from ..recorder import recorder
from . import log
from .interface import Parameter, Patch, Remedy, whole_number

ID = "eval-step-limit"


class _Limited:
    """
    Stands in for ``step_wait`` of one vectorised environment.

    :param monitored: an episode counts only once it has Monitor's figures.
    """

    def __init__(self, venv: Any, limit: int, *, monitored: bool) -> None:
        self._venv, self._limit, self._monitored = venv, limit, monitored
        self._step_wait = venv.step_wait
        self._steps = [0] * venv.num_envs
        self._rewards = [0.0] * venv.num_envs
        self._off = False

    def __call__(self) -> Any:
        stepped = self._step_wait()
        if not self._off:
            try:
                self._limit_episodes(*stepped)
            except Exception as error:  # noqa: BLE001
                self._off = True
                _refuse(error)
        return stepped

    def _limit_episodes(self, observations: Any, rewards: Any, dones: Any, infos: Any) -> None:
        for env in range(self._venv.num_envs):
            self._steps[env] += 1
            self._rewards[env] += float(rewards[env])
            counts = dones[env] and (not self._monitored or "episode" in infos[env])
            if not counts and self._steps[env] >= self._limit:
                self._end(env, observations, dones, infos[env])
                counts = True
            if counts:
                self._steps[env], self._rewards[env] = 0, 0.0

    def _end(self, env: int, observations: Any, dones: Any, info: dict[str, Any]) -> None:
        if self._monitored:
            # Without these it would not count as an episode.
            info["episode"] = {"r": round(self._rewards[env], 6), "l": self._steps[env], "t": 0.0}
        if not dones[env]:
            info["terminal_observation"] = _row(observations, env)
            info["TimeLimit.truncated"] = True
            (answer,) = self._venv.env_method("reset", indices=[env])
            # gym's reset gave the observation alone.
            _set_row(observations, env, answer[0] if _is_gymnasium() and isinstance(answer, tuple) else answer)
            dones[env] = True
        log.note(ID, log.APPLIED, "an evaluation episode was ended after %d steps" % self._steps[env])


def _refuse(error: Exception) -> None:
    recorder.fault(ID, error)
    log.note(ID, log.REFUSED, "the evaluation environment can't be limited: %r" % error)


def _is_gymnasium() -> bool:
    return bool(sys.modules["stable_baselines3.common.vec_env.base_vec_env"].gym.__name__ == "gymnasium")


def _row(observations: Any, env: int) -> Any:
    if isinstance(observations, dict):
        return {key: part[env].copy() for key, part in observations.items()}
    if isinstance(observations, tuple):
        return tuple(part[env].copy() for part in observations)
    return observations[env].copy()


def _set_row(observations: Any, env: int, row: Any) -> None:
    if isinstance(observations, dict):
        for key, part in observations.items():
            part[env] = row[key]
    elif isinstance(observations, tuple):
        for part, value in zip(observations, row):  # noqa: B905
            part[env] = value
    else:
        observations[env] = row


def _patch(limit: int, module: Any) -> None:
    evaluate_policy = module.evaluate_policy

    @functools.wraps(evaluate_policy)
    def limited(model: Any, env: Any, *args: Any, **kwargs: Any) -> Any:
        bottom = None
        try:
            env = _vectorised(env)
            bottom = env.unwrapped
            bottom.step_wait = _Limited(bottom, limit, monitored=_is_monitored(env))
        except Exception as error:  # noqa: BLE001
            _refuse(error)
        try:
            return evaluate_policy(model, env, *args, **kwargs)
        finally:
            if bottom is not None:
                vars(bottom).pop("step_wait", None)

    module.evaluate_policy = limited


def _vectorised(env: Any) -> Any:
    # As evaluate_policy does it.
    vec_env = sys.modules["stable_baselines3.common.vec_env"]
    return env if isinstance(env, vec_env.VecEnv) else vec_env.DummyVecEnv([lambda: env])


def _is_monitored(env: Any) -> bool:
    vec_env, monitor = sys.modules["stable_baselines3.common.vec_env"], sys.modules["stable_baselines3.common.monitor"]
    # A VecMonitor sees the end that is made below it.
    return not vec_env.is_vecenv_wrapped(env, vec_env.VecMonitor) and bool(env.env_is_wrapped(monitor.Monitor)[0])


def _patches(value: str) -> dict[str, Patch]:
    patch = functools.partial(_patch, int(value))
    return {"stable_baselines3.common.evaluation": patch, "sb3_contrib.common.maskable.evaluation": patch}


REMEDY = Remedy(
    id=ID,
    changes="an episode of evaluate_policy (and so of EvalCallback) that has not ended after N steps ends there, "
    "marked as truncated, and the environment is reset",
    results="Training is the same except for what follows from evaluation results. Mean reward and length of an "
    "evaluation are those of the first N steps of each episode; evaluations whose episodes are shorter are the same.",
    patches=_patches,
    parameter=Parameter("N", "steps after which an evaluation episode ends", whole_number, default="10000"),
    cures=("endless-evaluation",),
)
