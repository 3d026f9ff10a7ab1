"""What a whole search is told, and what all kinds do with it: claim the folder, search, say what was found."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matrix.bisect.interface import Bisector
from matrix.bisect.observations import Candidate
from matrix.bisecting.budget import Budget
from matrix.bisecting.earlier import Recognising, taken_over
from matrix.bisecting.providing import Provider
from matrix.bisecting.result import Result
from matrix.bisecting.runs import Counts, Meaning
from matrix.bisecting.search import BAD_TRIES, Finished, Search, Space
from matrix.bisecting.session import Session, open_session
from matrix.bisecting.subject import Subject
from matrix.bisecting.view import View, view_for
from matrix.environments.cache import Environments, UvEnvironments, default_cache
from matrix.environments.uv import Uv
from matrix.running.trial import Runner
from probes.watch import watch


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
    earlier: tuple[Path, ...] = ()
    """Folders of sweeps and bisections whose runs count, too."""

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

    def take_over(self, space: Recognising[Candidate], session: Session, view: View) -> None:
        """
        Takes in the runs of earlier sweeps and searches; those of an earlier call of this one are kept without.

        :raises MatrixError: a folder can't be read, or holds none that this search can use.
        """
        if self.earlier:
            session.take_over(taken_over(self.earlier, space, self.subject, session, view))

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
            earlier=session.earlier,
            **more,
        )
