"""
A least set of changes that still freezes, by binary search over prefixes.

For outcomes that are certain, and few guilty changes of many: about log2(n) questions for each guilty one, where
ddmin (Zeller and Hildebrandt 2002, "Simplifying and isolating failure-inducing input") asks about each chunk. The
shortest prefix that freezes ends in a guilty change, which is then kept while the others are searched; compare
Junker 2004, "QuickXplain", which halves where this takes prefixes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from matrix.bisect.questions import Search

Item = TypeVar("Item", bound=Hashable)
Asked = TypeVar("Asked", bound=Hashable)


def least_set(items: Sequence[Item], candidate: Callable[[frozenset[Item]], Asked]) -> Search[Asked, tuple[Item, ...]]:
    """
    Searches, then proves it: each set with one element less was asked about, and does not freeze.

    That holds however odd the outcomes are. If a set freezes whenever a part of it does, the result is also a
    smallest one by inclusion.

    :param items: together they freeze; the order in which prefixes are taken.
    :param candidate: what is tried for a set of items.
    :return: the items of the set.
    """
    kept: list[Item] = []
    rest = list(items)
    # kept + rest freezes, always.
    while rest and not (yield candidate(frozenset(kept))):
        passes, freezes = 0, len(rest)
        while freezes - passes > 1:
            middle = (passes + freezes) // 2
            if (yield candidate(frozenset([*kept, *rest[:middle]]))):
                freezes = middle
            else:
                passes = middle
        kept.append(rest[freezes - 1])
        rest = rest[: freezes - 1]
    return (yield from without_idle(kept, candidate))


def without_idle(
    items: Sequence[Item], candidate: Callable[[frozenset[Item]], Asked]
) -> Search[Asked, tuple[Item, ...]]:
    """Takes items out as long as the rest freezes; asks about each set with one item less than the result."""
    kept = list(items)
    at = 0
    needed = 0
    while kept and needed < len(kept):
        at %= len(kept)
        if (yield candidate(frozenset([*kept[:at], *kept[at + 1 :]]))):
            del kept[at]
            needed = 0
        else:
            needed += 1
            at += 1
    return tuple(kept)
