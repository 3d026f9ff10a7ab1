"""Whole searches: claim the folder → make the bisector → search → say what was found."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from matrix.bisect.certificate import Pair
from matrix.bisect.groups import Changes, Groups
from matrix.bisect.interface import Bisector
from matrix.bisect.linear import Linear
from matrix.bisect.observations import Candidate
from matrix.bisecting.budget import Budget
from matrix.bisecting.changes import Mixer
from matrix.bisecting.lock import LockSpace, consistency_of
from matrix.bisecting.locks.interface import Locked, Target
from matrix.bisecting.locks.requirements import read as read_requirements
from matrix.bisecting.providing import Provider
from matrix.bisecting.release_facts import changes_link, released
from matrix.bisecting.result import Result
from matrix.bisecting.runs import Counts, Meaning
from matrix.bisecting.search import BAD_TRIES, Finished, Search, Space
from matrix.bisecting.session import Session, open_session
from matrix.bisecting.subject import Subject
from matrix.bisecting.versions import ReleaseSpace, Wanted, list_releases
from matrix.bisecting.view import View, view_for
from matrix.environments.cache import CellEnvironment, Environments, UvEnvironments, default_cache
from matrix.environments.uv import StoppedError, Uv
from matrix.plan.releases import Releases, UvReleases
from matrix.running.interrupts import Interrupts
from matrix.running.trial import Runner
from probes.watch import watch

PASSES, FREEZES = "pair-passes.txt", "pair-freezes.txt"
"""In a search's folder: the two locks that show the result."""


@dataclass(frozen=True)
class Call:
    """What all kinds of search are told."""

    out: Path
    command: tuple[str, ...]
    """As the person wrote it."""
    subject: Subject
    options: tuple[str, ...] = ()
    """How the person told us so, for the commands that we propose."""
    budget: Budget = field(default_factory=Budget)
    fresh: bool = False
    view: View | None = None
    """None picks one for standard error."""
    runner: Runner = watch
    environments: Environments | None = None
    """None builds them with uv in the user's cache."""
    cache: Path | None = None

    @contextlib.contextmanager
    def opened(self, about: Mapping[str, Any]) -> Iterator[tuple[Session, Provider]]:
        """
        The folder, and the environments, while entered.

        :raises MatrixError: the folder can't be used.
        """
        # A limit and what counts as failure change what runs mean; so may the program, which nobody can compare.
        whole = {**about, "command": list(self.command), "options": list(self.options), "words": self.subject.words}
        with open_session(self.out, whole, fresh=self.fresh) as session, self._environments() as environments:
            yield session, Provider(environments, self.cache or default_cache(), session)

    @contextlib.contextmanager
    def _environments(self) -> Iterator[Environments]:
        if self.environments is not None:
            yield self.environments
            return
        own = UvEnvironments(Uv(), self.cache or default_cache())
        try:
            yield own
        finally:
            own.close()

    def search(
        self,
        bisector: Bisector[Candidate],
        space: Space[Candidate],
        session: Session,
        view: View,
        target: str | None = None,
    ) -> Finished:
        """
        Runs it.

        :param target: signature of what is sought, if that is known already.
        """
        by_exit_code = self.subject.counts is Counts.EXIT_CODE
        meaning = Meaning(space.bad, BAD_TRIES, target=target, by_exit_code=by_exit_code)
        return Search(bisector, space, session, meaning, self.budget, view, self.runner).run()

    def shown(self) -> View:
        """The view."""
        return self.view or view_for(sys.stderr)

    def again(self, *words: str) -> tuple[str, ...]:
        """A command of ours on the person's command."""
        command = ("--", *self.command) if self.command else ()
        return ("freezelab", "bisect", *words, *self.options, *command)

    def result(self, kind: str, finished: Finished, bisector: Bisector[Any], session: Session, **more: Any) -> Result:
        """What was found."""
        return Result(
            kind,
            finished.why,
            self.command,
            bisector.conclusion,
            bisector.certificate,
            bisector.posterior,
            session.runs,
            **more,
        )


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
        bisector = Groups(tuple(mixer.changes), together=together, cost_s=space.cost_s)
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


def tried_pairs(bisector: Groups, space: LockSpace) -> tuple[Pair, ...]:
    """
    The pairs that show the culprit, each candidate as it was tried: with what it can't be made without.

    A pair is left out if no run tells its two sides apart.
    """
    conclusion = bisector.conclusion
    if conclusion is None or not conclusion.found:
        return ()
    found: dict[tuple[object, object], Pair] = {}
    for pair in bisector.pairs:
        sides = []
        for side in (changes_of(pair.good), changes_of(pair.bad)):
            instead = space.instead(side)[0] if not any(bisector.runs(side)) else side
            sides.append(side if instead is None else instead)
        good, bad = sides
        runs = (*bisector.runs(good), *bisector.runs(bad))
        if good != bad and runs[1] and runs[2]:
            words = pair.shows if sides == [pair.good, pair.bad] else f"{pair.shows}, with what it requires"
            found.setdefault((good, bad), Pair(words, good, bad, *runs))
    return tuple(found.values())


def changes_of(candidate: object) -> Changes:
    """A candidate of a pair, which may have been stored meanwhile."""
    return tuple(map(str, candidate)) if isinstance(candidate, (tuple, list)) else ()


def _lock_notes(bisector: Groups, runs: Sequence[Any]) -> tuple[str, ...]:
    conclusion = bisector.conclusion
    if conclusion is None or not conclusion.unresolved:
        return ()
    reasons = {run.candidate: run.says for run in runs}
    known = [f"{name}: {reasons.get((name,), '')}" for name in conclusion.unresolved if (name,) in reasons]
    return tuple(f"could not be tried by itself: {one}" for one in known)
