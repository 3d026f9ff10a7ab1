"""Which functions of a remedy matter: each that it patches is a site, left patched or not."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matrix.bisect.sites import Sites, SiteSearch, suffixes
from matrix.bisecting.call import Call
from matrix.bisecting.cells import CommandCells
from matrix.bisecting.result import Result
from matrix.bisecting.runs import Run
from matrix.bisecting.session import Session
from matrix.bisecting.subject import Place, Subject
from matrix.environments.interface import CellEnvironment, Lock
from matrix.errors import MatrixError
from matrix.running.interrupts import Interrupts
from probes import patch_sites, remedies
from probes.agent.remedies.sites import ALL, NONE, VARIABLE
from probes.patch_sites import Site
from probes.watch import InterruptedRunError

_FACTS = "sites"


class Seek(str, enum.Enum):
    """What the sites are to have done."""

    CURE = "cure"
    """It fails without the remedy: which sites take the failure away?"""
    FREEZE = "freeze"
    """It fails with the remedy: which sites bring the failure?"""


@dataclass
class SiteSpace:
    """
    A :class:`matrix.bisecting.search.Space` of sites.

    A candidate's sites are what may bring the failure: patched ones if it comes with the remedy, else unpatched ones.
    """

    sites: Sites
    seek: Seek
    python: Path
    chosen: tuple[remedies.Choice, ...]
    subject: Subject

    @property
    def good(self) -> Sites:
        """See :class:`Space`."""
        return ()

    @property
    def bad(self) -> Sites:
        """See :class:`Space`."""
        return self.sites

    def patched(self, candidate: Sites) -> Sites:
        """The sites that stay patched."""
        if self.seek is Seek.FREEZE:
            return candidate
        return tuple(site for site in self.sites if site not in candidate)

    def label(self, candidate: Sites) -> str:
        """See :class:`Space`."""
        number = len(self.patched(candidate))
        return f"{number} of {len(self.sites)} sites patched"

    def instead(self, candidate: Sites) -> tuple[Sites | None, str]:
        """See :class:`Space`."""
        return candidate, ""

    def attempt(self, candidate: Sites, place: Place) -> Run[Sites]:
        """See :class:`Space`."""
        patched = self.patched(candidate)
        told = suffixes(patched, self.sites)
        wanted = NONE if not told else ALL if told == ("",) else ",".join(told)
        return self.run(candidate, wanted, place)

    def run(self, candidate: Sites, wanted: str, place: Place) -> Run[Sites]:
        """
        Runs the command.

        :param wanted: as the agent is told it.
        """
        return self.subject.run(
            candidate,
            CellEnvironment(self.python, Lock("", "")),
            place,
            environ={VARIABLE: wanted},
            changed_by=self.chosen,
            label=self.label(candidate),
        )


def search_sites(chosen: tuple[remedies.Choice, ...], seek: Seek, call: Call) -> Result:
    """
    Searches the sites; one run with all of them patched tells which there are.

    :raises MatrixError: the remedies patch nothing here, or an end does not behave as it should.
    :raises KeyboardInterrupt: Ctrl-C in that first run.
    """
    words = tuple(map(str, chosen))
    python = CommandCells(call.command).python
    view = call.shown()
    about = {"kind": "sites", "remedies": list(words), "seek": seek.value, "python": str(python)}
    with call.opened(about) as (session, _):
        space = SiteSpace((), seek, python, chosen, call.subject)
        every = _discovered(space, session, call)
        sites = tuple(site.name for site in every if site.optional)
        if not sites:
            raise MatrixError(f"{', '.join(words)}: patched nothing in this run that could be left out; see {call.out}")
        bisector = SiteSearch(sites)
        space = replace(space, sites=bisector.sites)
        view.note(f"{len(sites)} sites: {', '.join(sites)}")
        finished = call.search(bisector, space, session, view)
        notes = tuple(
            f"{site.name} acts by itself and not by a function: it can't be left out, and was there in all runs"
            for site in every
            if not site.optional
        )
        options = [word for each in words for word in ("--remedy", each)]
        again = ("sites", *options, "--seek", seek.value)
        culprits = [list(each) for each in bisector.found or ()]
        result = call.result(
            "sites",
            finished,
            bisector,
            session,
            again=call.again(*again) if culprits else (),
            go_on=call.again(*again, "--out", str(call.out)),
            facts={"sites": list(sites), "culprits": culprits, "seek": seek.value},
            notes=notes,
        )
        result.save(call.out)
    return result


def _discovered(space: SiteSpace, session: Session, call: Call) -> tuple[Site, ...]:
    """The sites, from one run with all patched, or as an earlier call found them."""
    kept = session.kept.get(_FACTS)
    if isinstance(kept, list):
        return tuple(Site(str(name), True, bool(optional)) for name, optional in kept)
    folder = session.out / "runs" / "000-which-sites-are-there"
    with Interrupts() as interrupts:
        place = Place(folder, folder.name, lambda: interrupts.wind_down, _nothing, call.runner)
        try:
            space.run((), ALL, place)
        except InterruptedRunError:
            raise KeyboardInterrupt from None
    found = patch_sites.read(Path(folder) / "flight")
    if found:
        session.keep(_FACTS, [[site.name, site.optional] for site in found])
    return found


def _nothing(_: Any) -> None:
    """Nobody watches the first run."""
