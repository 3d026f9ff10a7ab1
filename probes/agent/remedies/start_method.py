"""``start-method=M``: worker processes are started without forking a process that has threads."""

from __future__ import annotations

import functools
from typing import Any

from . import log
from .interface import Parameter, Patch, Remedy

ID = "start-method"
_METHODS = ("forkserver", "spawn")


def _check(text: str) -> str:
    if text not in _METHODS:
        raise ValueError("%r is not a start method that helps; give %s" % (text, " or ".join(_METHODS)))
    return text


def _started(method: str) -> None:
    log.note(ID, log.APPLIED, "processes were started by %s" % method)


def _patch_default(method: str, context: Any) -> None:
    cls = context.DefaultContext
    get_context, set_start_method = cls.get_context, cls.set_start_method
    # Not set_start_method: after that the program's own call of it would fail.
    context._default_context._default_context = context._concrete_contexts[method]

    @functools.wraps(set_start_method)
    def keep(self: Any, wanted: Any, force: bool = False) -> Any:
        return set_start_method(self, method if wanted == "fork" else wanted, force)

    @functools.wraps(get_context)
    def told(self: Any, wanted: Any = None) -> Any:
        found = get_context(self, wanted)
        if wanted is None and found.get_start_method() == method:
            _started(method)
        return found

    cls.set_start_method, cls.get_context = keep, told


def _patch_vec_env(method: str, module: Any) -> None:
    init = module.SubprocVecEnv.__init__

    @functools.wraps(init)
    def started(self: Any, env_fns: Any, start_method: Any = None) -> Any:
        init(self, env_fns, start_method=method)
        _started(method)

    module.SubprocVecEnv.__init__ = started


def _patches(method: str) -> dict[str, Patch]:
    return {
        "multiprocessing.context": functools.partial(_patch_default, method),
        "stable_baselines3.common.vec_env.subproc_vec_env": functools.partial(_patch_vec_env, method),
    }


REMEDY = Remedy(
    id=ID,
    changes="SubprocVecEnv, and whatever uses multiprocessing's default, start their processes by M, also where the "
    "program asks for fork; a context that it fetches by name is left to it",
    results="The same numbers. Environments have to be picklable, the main module is imported again in each worker "
    '(it needs its `if __name__ == "__main__":`), and what a fork would have inherited is not there.',
    patches=_patches,
    parameter=Parameter("M", "how processes are started: forkserver or spawn", _check, default="forkserver"),
    cures=("fork-after-cuda", "fork-after-openmp", "fork-with-lock-held"),
)
