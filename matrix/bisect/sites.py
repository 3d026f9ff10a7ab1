"""
Which sites of a patch bring the freeze, as Go's ``cmd/bisect`` finds them.

Each site has a hash, and sets of sites are told to the patched program as a few suffixes of the hashes: it need not
know the list of sites, and the list may differ a little from run to run. After one culprit, the search goes on
without its sites, until what is left does not freeze: several disjoint culprits are found one after the other. Of a
remedy that takes a freeze away, the sites are those that are *not* patched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from matrix.bisect.certificate import Pair
from matrix.bisect.interface import Conclusion
from matrix.bisect.prefix import least_set
from matrix.bisect.priors import THRESHOLD_OF_ANSWERS
from matrix.bisect.questions import Questioner, Search

Sites = tuple[str, ...]
"""A candidate: the sites that are switched on, in the order of their reversed hashes; all others are off."""

_BITS = 32


def site_hash(site: str) -> str:
    """The hash of a site as a string of 0 and 1, the same on every machine."""
    digest = hashlib.sha256(site.encode()).digest()
    return f"{int.from_bytes(digest[: _BITS // 8], 'big'):0{_BITS}b}"


def suffixes(on: Sequence[str], sites: Sequence[str]) -> tuple[str, ...]:
    """
    The fewest hash suffixes that match the sites that are on, and none of the others.

    :param sites: all of them.
    :return: suffixes of :func:`site_hash`, the empty one for all sites; nothing if none is on.
    """
    wanted, hashes = set(on), {site: site_hash(site) for site in sites}

    def cover(suffix: str) -> list[str]:
        matched = [site for site in sites if hashes[site].endswith(suffix)]
        if not wanted.intersection(matched):
            return []
        if wanted.issuperset(matched) or len(suffix) == _BITS:
            return [suffix]
        return cover("0" + suffix) + cover("1" + suffix)

    return tuple(cover(""))


class SiteSearch(Questioner[Sites, "tuple[Sites, ...]"]):
    """Seeks all disjoint sets of sites each of which freezes alone, and no part of it."""

    kind = "sites"

    def __init__(
        self, sites: Sequence[str], *, signature: str | None = None, threshold: float = THRESHOLD_OF_ANSWERS
    ) -> None:
        """
        :param sites: different names.
        :raises ValueError: there is none, or one is there twice, or two have the same hash.
        """
        if not sites:
            raise ValueError("there is no site to search")
        hashes: dict[str, str] = {}
        for site in sites:
            if (other := hashes.setdefault(site_hash(site), site)) != site or sites.count(site) > 1:
                raise ValueError(f"the sites {other!r} and {site!r} can't be told apart; give them different names")
        # So that each prefix is a few suffixes of the hashes.
        self.sites = tuple(sorted(sites, key=lambda site: site_hash(site)[::-1]))
        super().__init__(signature=signature, threshold=threshold)

    @property
    def conclusion(self) -> Conclusion | None:
        """All sites of all culprits, once no more are found; each culprit alone is in :attr:`found`."""
        if self.found is None:
            return None
        every = tuple(site for culprit in self.found for site in culprit)
        stuck = tuple(" with ".join(sites) or "no site" for sites in self.excluded if sites in self._asking.answers)
        return Conclusion(every, 1 - self._asking.doubt(self), unresolved=stuck)

    @property
    def posterior(self) -> list[tuple[tuple[str, ...], float]]:
        """The conclusion alone: a search by questions has no probabilities on its way."""
        conclusion = self.conclusion
        return [] if conclusion is None else [(conclusion.culprit, conclusion.probability)]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """For each culprit that it freezes alone; then that the rest of the sites does not."""
        if not self.found:
            return ()
        every = frozenset(site for culprit in self.found for site in culprit)
        rest = self._on(frozenset(self.sites) - every)
        alone = [self._pair((), culprit, f"{' with '.join(culprit)} is enough") for culprit in self.found]
        return (*alone, self._pair(rest, self.sites, "they are needed"))

    def _on(self, sites: frozenset[str]) -> Sites:
        return tuple(site for site in self.sites if site in sites)

    def _search(self) -> Search[Sites, tuple[Sites, ...]]:
        found: list[Sites] = []
        left = self.sites
        while left and (yield left):
            culprit = self._on(frozenset((yield from least_set(left, self._on))))
            if not culprit:
                # It freezes with no site on: none of them is the cause.
                return ()
            found.append(culprit)
            left = self._on(frozenset(left) - frozenset(culprit))
        return tuple(found)

    def _check(self, candidate: Sites) -> None:
        if candidate != self._on(frozenset(candidate)):
            raise ValueError(f"{', '.join(candidate)!r} are not sites of this search in its order")
