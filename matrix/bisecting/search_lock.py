"""The whole search over changed packages: build both ends → search → the two locks that show the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from matrix.bisect.groups import Groups
from matrix.bisecting.call import Call
from matrix.bisecting.changes import Mixer, changes_of
from matrix.bisecting.lock import LockSpace, consistency_of
from matrix.bisecting.locks.interface import Locked
from matrix.bisecting.pairs import tried_pairs
from matrix.bisecting.result import Result
from matrix.environments.uv import StoppedError
from matrix.running.interrupts import Interrupts

PASSES, FREEZES = "pair-passes.txt", "pair-freezes.txt"
"""In a search's folder: the two locks that show the result."""


@dataclass(frozen=True)
class LockPair:
    """Two locks that were read, and how the person named them."""

    good: Locked
    bad: Locked
    names: tuple[str, str]
    """Paths, as given."""
    python: str
    torch_backend: str | None = None


def search_lock(locks: LockPair, call: Call) -> Result:
    """
    Searches the changes between two locks that bring the failure.

    :raises MatrixError: bad input, or an end that can't be tried.
    """
    mixer = Mixer(locks.good, locks.bad)
    mixer.check()
    view = call.shown()
    about: dict[str, Any] = {"kind": "lock", "good": locks.good.text, "bad": locks.bad.text, "python": locks.python}
    about |= {"torch_backend": locks.torch_backend}
    python = ("--python", locks.python)
    backend = ("--torch-backend", locks.torch_backend) if locks.torch_backend else ()
    with call.opened(about) as (session, provider):
        view.note(f"{len(mixer.changes)} packages changed; both ends are installed first")
        with Interrupts() as interrupts:
            try:
                consistency = consistency_of(
                    mixer, locks.python, locks.torch_backend, provider, lambda: interrupts.wind_down
                )
            except StoppedError:
                raise KeyboardInterrupt from None
        together = consistency.together
        for group in together:
            view.note(f"inseparable: {', '.join(group)}")
        space = LockSpace(mixer, locks.python, call.subject, provider, consistency, locks.torch_backend)
        bisector = Groups(tuple(mixer.changes), together=together, needs=consistency.needs, cost_s=space.cost_s)
        call.take_over(space, session, view)
        finished = call.search(bisector, space, session, view)
        shown = tried_pairs(bisector, space)
        pair = shown[0] if shown else None
        again: tuple[str, ...] = ()
        if pair is not None:
            for name, made in ((PASSES, pair.good), (FREEZES, pair.bad)):
                (call.out / name).write_text(mixer.mix(changes_of(made)).text, encoding="utf-8")
            again = call.again("lock", str(call.out / PASSES), str(call.out / FREEZES), *python, *backend)
        go_on = call.again("lock", *locks.names, *python, *backend, "--out", str(call.out))
        result = call.result(
            "lock",
            finished,
            bisector,
            session,
            again=again,
            go_on=go_on,
            facts={"changes": list(mixer.changes), "inseparable": [list(group) for group in together]},
            notes=_lock_notes(bisector, session.runs),
        )
        if result.certificate is not None and result.certificate.culprit:
            result = replace(result, certificate=replace(result.certificate, pairs=shown))
        result.save(call.out)
    return result


def _lock_notes(bisector: Groups, runs: Sequence[Any]) -> tuple[str, ...]:
    conclusion = bisector.conclusion
    if conclusion is None or not conclusion.unresolved:
        return ()
    reasons = {run.candidate: run.says for run in runs}
    known = [f"{name}: {reasons.get((name,), '')}" for name in conclusion.unresolved if (name,) in reasons]
    return tuple(f"could not be tried by itself: {one}" for one in known)
