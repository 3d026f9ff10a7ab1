"""
Does an environment write into an observation that it has handed out already?

An observation is handed out by ``step``, used by the policy, and stored one step later. An environment that
goes on writing into the same array gives the buffer another observation than the policy saw. ``DummyVecEnv``
copies what it hands out, except ``terminal_observation``: an inner environment that reuses its array overwrites
that one in the very ``reset`` that follows.
"""

from __future__ import annotations

from typing import Any

from ..attributes import attribute
from ..recorder import recorder
from . import arrays
from .findings import findings

_ALWAYS = 300
"""So many steps are all looked at, then two of each ``_PERIOD`` or somewhat more."""
_PERIOD = 64
_TERMINALS = 100
"""Episodes ended by a time limit that are looked at."""


class _Handed:
    """An observation as it was when it was handed out."""

    def __init__(self, env: Any, observation: Any) -> None:
        self.env = env
        self.observation = observation
        self.parts = arrays.parts(observation)
        self.sums = {key: arrays.crc(part) for key, part in self.parts.items()}


class Aliasing:
    """Follows observations from ``VecEnv.step`` to ``buffer.add``."""

    def __init__(self) -> None:
        self.looks = 0
        """Steps that were looked at."""
        self.next_look = 0
        """The count of steps at which :meth:`stepped` is to be called next, unless ``recorder.attentive``."""
        self._handed: list[_Handed] = []
        """The last two."""
        self._terminals_left = _TERMINALS
        self._terminals: list[tuple[Any, int, dict[str, Any], dict[str, int]]] = []
        """Terminal observations that look overwritten, to be looked at once more a step later."""

    def was_reset(self, env: Any, observation: Any) -> None:
        """``env.reset`` returned."""
        if self.looks < _ALWAYS:
            self._hand(env, observation)

    def stepped(self, env: Any, result: Any, steps: int) -> None:
        """
        ``env.step`` returned.

        :param steps: how many were taken.
        """
        if self._terminals:
            self._look_again(env)
        dones = result[2]
        # Not a tensor: reading that back from a device would make the training wait.
        if self._terminals_left and type(dones).__name__ == "ndarray" and True in dones.tolist():
            self._look_at_terminals(env, dones.tolist())
        # A look takes two steps, and a third to forget.
        if self.looks < _ALWAYS or len(self._handed) < 2:
            self.looks += 1
            self._hand(env, result[0])
        else:
            recorder.attentive = False
            self._handed.clear()
            self.next_look = steps + _PERIOD - 2

    def _hand(self, env: Any, observation: Any) -> None:
        recorder.attentive = True
        self._handed = [*self._handed[-1:], _Handed(env, observation)]

    def added(self, buffer: Any, observation: Any) -> None:
        """
        ``buffer.add`` has stored an observation.

        :param observation: as it was given to it; another than any handed out (normalised, say) tells nothing.
        """
        for handed in self._handed[:1]:
            if handed.observation is not observation:
                return
            for key, part in handed.parts.items():
                if arrays.crc(part) != handed.sums[key]:
                    self._changed(handed, key)
                elif not arrays.user_methods(type(buffer)):
                    _compare_stored(buffer, handed, key)

    def _changed(self, handed: _Handed, key: str) -> None:
        newer = self._handed[-1].parts.get(key)
        # Changed, but not by being handed out once more: a callback that means it, perhaps.
        if newer is None or self._handed[-1] is handed or not arrays.numpy().may_share_memory(newer, handed.parts[key]):
            return
        detail = {"array": _label(key), "env": None, **_class_of(handed.env)}
        findings.add("aliased-observation", "observation", detail)

    def _look_at_terminals(self, env: Any, dones: list[bool]) -> None:
        while hasattr(env, "venv"):
            env = env.venv
        infos = getattr(env, "buf_infos", None)
        if infos is None or not arrays.is_library(type(env)):
            return
        for index, done in enumerate(dones):
            # Nothing is learnt from the observation of an episode that really ended.
            if not done or not infos[index].get("TimeLimit.truncated") or not self._terminals_left:
                continue
            self._terminals_left -= 1
            terminal = arrays.parts(infos[index].get("terminal_observation"))
            overwritten = {
                key: part for key, part in terminal.items() if _same(part, env.buf_obs.get(key or None), index)
            }
            if overwritten:
                sums = {key: arrays.crc(part) for key, part in overwritten.items()}
                self._terminals.append((env, index, overwritten, sums))

    def _look_again(self, env: Any) -> None:
        while hasattr(env, "venv"):
            env = env.venv
        for terminal in [item for item in self._terminals if item[0] is env]:
            self._terminals.remove(terminal)
            _, index, parts, sums = terminal
            for key, part in parts.items():
                # Equal to the reset's, and now to a later one's: it is the array that the environment writes to.
                if arrays.crc(part) != sums[key] and _same(part, env.buf_obs.get(key or None), index):
                    inner = env.envs[index].unwrapped
                    detail = {"array": _label(key), "env": index, **_class_of(inner)}
                    findings.add("aliased-observation", "terminal_observation", detail)


def _compare_stored(buffer: Any, handed: _Handed, key: str) -> None:
    observations = attribute(buffer, "observations")
    array = observations.get(key) if isinstance(observations, dict) else observations
    part = handed.parts[key]
    if array is None or array.dtype != part.dtype or array[0].nbytes != part.nbytes:
        return
    row = (buffer.pos - 1) % buffer.buffer_size
    if arrays.crc(array[row]) != handed.sums[key]:
        detail = {
            "buffer": type(buffer).__name__,
            "places": [{"env": None, "rows": [row, row]}],
            "more_places": 0,
            "after": "the environment's step",
            "before": "the end of its add",
            "epoch": 0,
            "writer": None,
        }
        findings.add("buffer-changed", _label(key), detail)


def _same(part: Any, batch: Any, index: int) -> bool:
    """Whether an inner environment's observation is what the vectorised one keeps for it."""
    return batch is not None and arrays.crc(part.astype(batch.dtype)) == arrays.crc(batch[index])


def _label(key: str) -> str:
    return "observations[%s]" % key if key else "observations"


def _class_of(env: Any) -> dict[str, Any]:
    """The class of an environment and the code of its ``step``, as a report names it."""
    cls = type(env)
    step = getattr(cls, "step_wait", None) or getattr(cls, "step", None)
    code = getattr(getattr(step, "__wrapped__", step), "__code__", None)
    writer = None
    if code is not None:
        writer = {
            "function": getattr(step, "__qualname__", code.co_name),
            "file": code.co_filename,
            "line": code.co_firstlineno,
        }
    return {"class": cls.__name__, "writer": writer}
