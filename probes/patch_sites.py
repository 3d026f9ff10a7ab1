"""The functions that remedies patched in a run, as the agent wrote them down (``agent/remedies/sites.py``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Site:
    """One patched function."""

    name: str
    """``fused-lstm:sb3_contrib.common.recurrent.policies.RecurrentActorCriticPolicy._process_sequence``"""
    on: bool
    """Whether it was patched; of several processes, in any of them."""
    optional: bool
    """Whether it can be left out."""


def read(flight: Path) -> tuple[Site, ...]:
    """
    All sites, in the order of their names; lines that make no sense are passed over.

    :param flight: the run's folder of flight files.
    """
    found: dict[str, Site] = {}
    for path in sorted(flight.glob("sites-*.jsonl")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                value: Any = json.loads(line)
                site = Site(str(value["site"]), bool(value["on"]), bool(value["optional"]))
            except (ValueError, KeyError, TypeError):
                continue
            before = found.get(site.name)
            found[site.name] = site if before is None else Site(site.name, site.on or before.on, site.optional)
    return tuple(found[name] for name in sorted(found))
