"""Changes that can only be made together are one unit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence


def units_of(changes: Sequence[str], together: Iterable[Collection[str]]) -> tuple[tuple[str, ...], ...]:
    """
    Joins what overlaps.

    :return: units, and names within a unit, in the order of the changes.
    :raises ValueError: there is no change, one is there twice, or ``together`` names another.
    """
    if not changes:
        raise ValueError("there is no change: the good and the bad end are the same")
    if len(set(changes)) < len(changes):
        twice = next(name for name in changes if changes.count(name) > 1)
        raise ValueError(f"{twice!r} is among the changes twice")
    leader = {name: name for name in changes}

    def led(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for group in together:
        if unknown := [name for name in group if name not in leader]:
            raise ValueError(f"{unknown[0]!r}, which is to move together with others, is none of the changes")
        first, *others = group or ("",)
        for other in others:
            leader[led(other)] = led(first)
    units: dict[str, list[str]] = {}
    for name in changes:
        units.setdefault(led(name), []).append(name)
    return tuple(map(tuple, units.values()))
