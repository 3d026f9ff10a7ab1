"""The smallest difference between a cell that passes and one that freezes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from matrix.bisect.choice import free
from matrix.bisect.groups import Changes, Groups
from matrix.bisect.priors import THRESHOLD
from matrix.plan.parameters import Level


class Factors(Groups):
    """Seeks the factors whose bad levels together bring the freeze; candidates are the factors at their bad level."""

    kind = "factors"

    def __init__(
        self,
        good: Mapping[str, Level],
        bad: Mapping[str, Level],
        *,
        together: Iterable[Collection[str]] = (),
        needs: Mapping[str, Collection[str]] | None = None,
        cost_s: Callable[[Changes], float] = free,
        signature: str | None = None,
        threshold: float = THRESHOLD,
    ) -> None:
        """
        :param good: level of each factor in the cell that passes.
        :param bad: and in the cell that freezes; the same factors.
        :param together: factors that can only be changed together; those that don't differ count for nothing.
        :param needs: of some factors, all those without which they can't have their bad level.
        :raises ValueError: the cells have different factors, or are the same.
        """
        if missing := sorted(good.keys() ^ bad.keys()):
            raise ValueError(f"only one of both cells has {missing[0]!r}; give it a level in both")
        # True and 1 are two levels, though equal.
        differ = [name for name in good if (type(good[name]), good[name]) != (type(bad[name]), bad[name])]
        if not differ:
            raise ValueError("the good and the bad cell are the same: nothing between them can be the cause")
        self.good, self.bad, self.needs = dict(good), dict(bad), dict(needs or {})
        super().__init__(
            differ,
            together=[[name for name in group if name in differ] for group in together],
            needs=needs,
            cost_s=cost_s,
            signature=signature,
            threshold=threshold,
        )

    def cell(self, candidate: Changes) -> dict[str, Level]:
        """The whole cell that a candidate stands for."""
        return {name: self.bad[name] if name in candidate else level for name, level in self.good.items()}
