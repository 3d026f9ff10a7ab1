"""What ``freezelab envs`` says of the environments in the cache, as text and as JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matrix.environments.amounts import size_text
from matrix.environments.eviction import Built, held_by

SCHEMA = "freezelab.envs/1"
_SHORT = {"torch": "torch", "stable-baselines3": "sb3", "sb3-contrib": "sb3-contrib", "gymnasium": "gymnasium"}
"""What sweeps are about, and how it is told here."""
_OTHERS = 3


def listing(environments: Sequence[Built], cache: Path, limit: float, now: float) -> str:
    """
    A line for each environment, the most recently used first, and what they hold on to in all.

    :param limit: in bytes.
    :param now: in seconds since the epoch.
    """
    if not environments:
        return f"no environments in {cache}"
    rows = [("ENVIRONMENT", "PYTHON", "FREES", "SHARES", "LAST USED", "PACKAGES")]
    rows += [
        (
            built.id,
            built.python,
            size_text(built.frees),
            size_text(built.shares),
            "in use" if built.in_use else _ago(now - built.last_used),
            heads(built.packages),
        )
        for built in environments
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    right = (2, 3)
    lines = [
        "  ".join(
            [
                cell.rjust(width) if at in right else cell.ljust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=False))
            ]
            + [row[-1]]
        )
        for row in rows
    ]
    return "\n".join([*lines, "", _total(environments, cache, limit)])


def pruned(chosen: Sequence[Built], gone: Sequence[Built], before: Sequence[Built], *, dry_run: bool) -> str:
    """
    What was removed, or would be.

    :param chosen: what was to go.
    :param gone: what went.
    :param before: what there was.
    """
    freed = size_text(freed_by(gone, before))
    lines = [f"{'would remove' if dry_run else 'removed'} {built.id}  {heads(built.packages)}" for built in gone]
    lines += [f"kept {built.id}: in use or being built by now" for built in chosen if built not in gone]
    return "\n".join([*lines, f"{len(gone)} of {_many(before)}, {freed} {'to free' if dry_run else 'freed'}"])


def as_json(environments: Sequence[Built], cache: Path, limit: float) -> dict[str, Any]:
    """One document; sizes in bytes, times in UTC."""
    return {
        "schema": SCHEMA,
        "cache": str(cache),
        "limit": limit if limit < float("inf") else None,
        "held": held_by(environments),
        "environments": [_entry(built) for built in environments],
    }


def pruned_as_json(gone: Sequence[Built], before: Sequence[Built], *, dry_run: bool) -> dict[str, Any]:
    """One document."""
    return {
        "schema": SCHEMA,
        "dry_run": dry_run,
        "freed": freed_by(gone, before),
        "removed": [_entry(built) for built in gone],
    }


def freed_by(gone: Sequence[Built], before: Sequence[Built]) -> int:
    """Bytes: what several share comes free with the last of them."""
    return held_by(before) - held_by([built for built in before if built not in gone])


def heads(packages: Mapping[str, str]) -> str:
    """``torch 2.13.0+cpu, sb3 2.6.0``: what a person knows an environment by."""
    known = [f"{short} {packages[name]}" for name, short in _SHORT.items() if name in packages]
    if known:
        return ", ".join(known)
    first = [f"{name} {version}" for name, version in sorted(packages.items())]
    more = f", and {len(first) - _OTHERS} more" if len(first) > _OTHERS else ""
    return ", ".join(first[:_OTHERS]) + more or "nothing"


def _total(environments: Sequence[Built], cache: Path, limit: float) -> str:
    below = f"of {size_text(limit)}" if limit < float("inf") else "without a limit"
    return (
        f"{_many(environments)} in {cache}, {size_text(held_by(environments))} {below} in all; "
        "what is shared, as a rule with uv's cache, is not counted"
    )


def _many(environments: Sequence[Built]) -> str:
    return f"{len(environments)} environment{'' if len(environments) == 1 else 's'}"


def _entry(built: Built) -> dict[str, Any]:
    return {
        "id": built.id,
        "python": built.python,
        "packages": dict(built.packages),
        "frees": built.frees,
        "shares": built.shares,
        "created_at": built.created_at,
        "last_used": dt.datetime.fromtimestamp(built.last_used, dt.timezone.utc).isoformat(timespec="seconds"),
        "in_use": built.in_use,
    }


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"
