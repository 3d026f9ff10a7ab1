"""Remedies in words: what there is, what became of those that were asked for, and what was proven."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from probes import remedies
from probes.agent.remedies.interface import Remedy
from probes.diagnosis import Diagnosis
from probes.diagnosis import Remedy as Proof
from reports import markdown as md
from reports import wording

SCHEMA = "freezelab.remedies/1"
_WIDTH = 100
_STATES = {"applied": "applied", "refused": "not applied", "waiting": "not applied"}


def listing(items: Sequence[Remedy]) -> str:
    """All remedies as plain text."""
    return "\n\n".join("\n".join(_described(item)) for item in items)


def _described(item: Remedy) -> Iterator[str]:
    yield remedies.usage(item)
    rows = [("changes", item.changes), ("results", item.results)]
    if item.parameter is not None:
        name = item.parameter.name
        default = f"; default: {item.parameter.default or item.parameter.found}"
        rows.insert(0, (name, item.parameter.means + default))
    if item.cures:
        rows.append(("removes", ", ".join(item.cures)))
    for title, says in rows:
        yield from textwrap.wrap(says, _WIDTH, initial_indent=f"    {title:9}", subsequent_indent=" " * 13)


def as_json(items: Sequence[Remedy]) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": SCHEMA,
        "remedies": [
            {
                "id": item.id,
                "usage": remedies.usage(item),
                "changes": item.changes,
                "results": item.results,
                "default": item.parameter.default or item.parameter.found if item.parameter else None,
                "cures": list(item.cures),
            }
            for item in items
        ],
    }


def lines(diagnosis: Diagnosis) -> Iterator[str]:
    """For the terminal: what was applied, then what was proven or could be tried."""
    for item in remedies.of(diagnosis):
        yield f"remedy    {_name(item)}: {_STATES[item.state]}: {item.says}"
    for proposal in diagnosis.remedies:
        yield f"remedy    {proof(proposal)}" if _tried(proposal) else _try(proposal)


def _try(proposal: Proof) -> str:
    return f"to try it    freezelab run --remedy {proposal.id}; --verify-remedies measures what it brings"


def _name(item: remedies.Told) -> str:
    return f"{item.id}={item.value}" if item.value else item.id


def _tried(item: Proof) -> bool:
    return item.verified or item.before is not None or item.after is not None or item.why.startswith("not applied")


def proof(item: Proof) -> str:
    """``fused-lstm: verified: 15.6 s, then 2.5 s, 6.2 times as fast; …``."""
    verified = "verified" if item.verified else "not verified"
    if item.ratio is not None:
        took = f"{wording.seconds(item.before)} before, {wording.seconds(item.after)} after, ratio {item.ratio:.1f}"
        return f"{item.id}: {verified}: {took}; {item.why}"
    return f"{item.id}: {verified}: {item.why}"


def section(diagnosis: Diagnosis) -> Iterable[str]:
    """For ``diagnosis.md``; nothing if no remedy was applied and none is known."""
    became = remedies.of(diagnosis)
    if became:
        yield "## Remedies of this run"
        yield md.table(
            ("remedy", "state", "what became of it"),
            [(md.code(_name(item)), _STATES[item.state], md.text(item.says)) for item in became],
        )
    if diagnosis.remedies:
        yield "## Remedies for its cause"
        yield md.table(
            ("remedy", "verified", "before", "after", "ratio", "why"),
            [
                (
                    md.code(item.id),
                    ("yes" if item.verified else "no") if _tried(item) else "not tried",
                    wording.seconds(item.before),
                    wording.seconds(item.after) if item.ratio is not None else _steps(item.after),
                    f"{item.ratio:.1f}" if item.ratio is not None else "—",
                    md.text(item.why),
                )
                for item in diagnosis.remedies
            ],
            numeric=(2, 3, 4),
        )
        yield (
            "Verified means: the same command was run again with nothing changed but the remedy, and moved. "
            f"`freezelab run --remedy {diagnosis.remedies[0].id} -- …` applies it."
        )


def _steps(reached: float | None) -> str:
    return "—" if reached is None else f"step {reached:.0f}"
