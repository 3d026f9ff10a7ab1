"""The whole search over releases: list them → search → what is known of the transition."""

from __future__ import annotations

import contextlib
from typing import Any

from matrix.bisect.certificate import Pair
from matrix.bisect.interface import Bisector
from matrix.bisect.linear import Linear
from matrix.bisecting.call import Call
from matrix.bisecting.changes import Mixer
from matrix.bisecting.locks.interface import Locked, Target
from matrix.bisecting.locks.requirements import read as read_requirements
from matrix.bisecting.release_facts import changes_link, released
from matrix.bisecting.result import Result
from matrix.bisecting.session import Session
from matrix.bisecting.versions import ReleaseSpace, Wanted, list_releases
from matrix.environments.cache import CellEnvironment
from matrix.environments.uv import StoppedError, Uv
from matrix.plan.releases import Releases, UvReleases
from matrix.running.interrupts import Interrupts


def search_versions(wanted: Wanted, call: Call, releases: Releases | None = None, uv: Uv | None = None) -> Result:
    """
    Searches the release that brought the failure.

    :raises MatrixError: bad input, or an end that can't be tried.
    """
    about: dict[str, Any] = {"kind": "versions", "package": wanted.package, "good": wanted.good, "bad": wanted.bad}
    about |= {"pythons": wanted.pythons, "with": wanted.with_, "pre": wanted.pre}
    about |= {"exclude_newer": wanted.exclude_newer, "torch_backend": wanted.torch_backend, "also": wanted.also}
    view = call.shown()
    with call.opened(about) as (session, provider):
        items = _items(wanted, session, releases)
        view.note(f"{wanted.package}: {len(items)} releases, {items[0]} to {items[-1]}")
        space = ReleaseSpace(wanted, items, call.subject, provider)
        bisector = Linear(items, cost_s=space.cost_s)
        call.take_over(space, session, view)
        finished = call.search(bisector, space, session, view)
        facts, notes = _transition(bisector, space, uv)
        words = _version_words(wanted)
        pair = _pair(bisector)
        again = call.again("versions", *words, "--good", str(pair.good), "--bad", str(pair.bad)) if pair else ()
        ends = [word for name, end in (("--good", wanted.good), ("--bad", wanted.bad)) if end for word in (name, end)]
        go_on = call.again("versions", *words, *ends, "--out", str(call.out))
        result = call.result(
            "versions", finished, bisector, session, again=again, go_on=go_on, facts=facts, notes=notes
        )
        result.save(call.out)
    return result


def _items(wanted: Wanted, session: Session, releases: Releases | None) -> tuple[str, ...]:
    """As they were when the search began: a release that came out since is none of its items."""
    kept = session.kept.get("items")
    if session.runs and isinstance(kept, list) and all(isinstance(one, str) for one in kept):
        return tuple(kept)
    items = list_releases(wanted, releases or UvReleases())
    session.keep("items", list(items))
    return items


def _version_words(wanted: Wanted) -> list[str]:
    words = ["--package", wanted.package]
    for python in wanted.pythons:
        words += ["--python", python]
    for one in wanted.with_:
        words += ["--with", one]
    for one in wanted.also:
        words += ["--also", one]
    words += ["--pre"] if wanted.pre else []
    words += ["--exclude-newer", wanted.exclude_newer] if wanted.exclude_newer else []
    words += ["--torch-backend", wanted.torch_backend] if wanted.torch_backend else []
    return words


def _pair(bisector: Bisector[Any]) -> Pair | None:
    """The pair that shows the culprit, if there is one."""
    conclusion = bisector.conclusion
    return bisector.pairs[0] if conclusion is not None and conclusion.found else None


def _transition(bisector: Linear, space: ReleaseSpace, uv: Uv | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The pair of releases, with what is known of both."""
    pair = _pair(bisector)
    if pair is None:
        return {"package": space.wanted.package, "releases": list(bisector.items)}, ()
    wanted, notes, sides = space.wanted, [], {}
    locks: dict[str, Locked] = {}
    with Interrupts() as interrupts:
        for name, version in (("good", str(pair.good)), ("bad", str(pair.bad))):
            python = space.pythons.get(version) or _python_of(space, version)
            found = None
            if python:
                with contextlib.suppress(StoppedError):
                    found = space.provide(wanted.release(version, python), lambda: interrupts.wind_down)
            link = None
            if isinstance(found, CellEnvironment):
                locks[name] = read_requirements(found.lock.text, Target(python or ""))
                link = changes_link(wanted.package, version, found.python)
            date = released(wanted.package, version, python, uv or Uv()) if python else None
            sides[name] = {"version": version, "released": date, "changes": link, "python": python}
    also: list[str] = []
    if len(locks) == 2:
        changed = Mixer(locks["good"], locks["bad"]).changes
        also = [name for name, change in changed.items() if change.package != wanted.package]
    if also:
        notes.append(
            f"with {wanted.package} these changed too, as its releases want them: {', '.join(also)}; "
            "freezelab bisect lock tells them apart"
        )
    if len({side["python"] for side in sides.values()}) > 1:
        notes.append("the two releases were run by different versions of Python, which may be the cause as well")
    return {"package": wanted.package, "releases": list(bisector.items), "also_changed": also, **sides}, tuple(notes)


def _python_of(space: ReleaseSpace, version: str) -> str | None:
    """Which Python a release was run with in an earlier call."""
    pythons = space.wanted.pythons
    tried = (python for python in pythons if space.provide.is_built(space.wanted.release(version, python)))
    return next(tried, pythons[0] if len(pythons) == 1 else None)
