"""
Colours and letters, the same in every picture and on every page.

The fills are Paul Tol's *light* scheme, made for cells with black text and told apart by the colour-blind
(https://personal.sron.nl/~pault/, 2021), with three tints beside them; what must be told apart has a letter, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from probes.verdicts import Verdict


@dataclass(frozen=True)
class Mark:
    """How a verdict is shown in a cell."""

    letter: str
    fill: str
    """Under black text; the same in light, dark and print."""

    @property
    def strong(self) -> str:
        """Where no text lies on it, and it must be seen on a light ground and on a dark one."""
        return "#2e9e6b" if self.letter == "H" else self.fill


VERDICTS: Mapping[Verdict, Mark] = {
    Verdict.HEALTHY: Mark("H", "#e4f1ea"),
    Verdict.SLOW_PHASE: Mark("S", "#eedd88"),
    Verdict.SLOWDOWN: Mark("W", "#bbcc33"),
    Verdict.SPIN: Mark("P", "#aaaa00"),
    Verdict.DEADLOCK: Mark("D", "#ee8866"),
    Verdict.BLOCKED: Mark("B", "#ffaabb"),
    Verdict.CRASH: Mark("C", "#77aadd"),
    Verdict.EXCEPTION: Mark("X", "#99ddff"),
    Verdict.OOM: Mark("M", "#ccaadd"),
    Verdict.CORRUPTION: Mark("R", "#44bb99"),
    Verdict.EXIT_HANG: Mark("E", "#ffcc99"),
}

PHASES: Mapping[str, str] = {
    "collect": "#77aadd",
    "advantage": "#eedd88",
    "train": "#ee8866",
    "callback": "#bbcc33",
    "eval": "#99ddff",
    "save": "#ffaabb",
}
OTHER = "#dddddd"
"""Of what has no colour of its own."""

CODE: Mapping[str, str] = {"user": "#ee8866", "library": "#eedd88", "engine": "#dddddd"}
"""Whose code a frame is: as ``probes.code`` tells them apart."""

_LIGHT = "--flz-paper:#fff;--flz-ink:#1f2328;--flz-dim:#57606a;--flz-line:#d0d7de;--flz-blue:#0550ae;--flz-red:#a40e26"
_DARK = (
    "--flz-paper:#0d1117;--flz-ink:#f0f6fc;--flz-dim:#9da7b1;--flz-line:#3d444d;--flz-blue:#79c0ff;--flz-red:#ffa198"
)

STYLE = (
    f".flz{{{_LIGHT};font:12px system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}"
    f"@media screen and (prefers-color-scheme:dark){{.flz{{{_DARK}}}}}"
    ".flz-paper{fill:var(--flz-paper,#fff)}.flz-ink{fill:var(--flz-ink,currentColor)}"
    ".flz-dim{fill:var(--flz-dim,currentColor)}.flz-strong{fill:var(--flz-ink,currentColor);font-weight:600}"
    ".flz-black{fill:#111}.flz-letter{fill:#111;font-weight:600}"
    ".flz-grid{stroke:var(--flz-line,#999);stroke-width:1}"
    ".flz-edge{stroke:var(--flz-dim,#555);stroke-width:1;stroke-dasharray:3 2}"
    ".flz-curve{fill:none;stroke:var(--flz-blue,#0550ae);stroke-width:1.8;stroke-linejoin:round}"
    ".flz-area{fill:var(--flz-blue,#0550ae);fill-opacity:.3}"
    ".flz-still{fill:var(--flz-red,#a40e26);fill-opacity:.13}.flz-red{fill:var(--flz-red,#a40e26);font-weight:600;"
    "paint-order:stroke;stroke:var(--flz-paper,#fff);stroke-width:3px;stroke-linejoin:round}"
    ".flz-mark{stroke:var(--flz-red,#a40e26);stroke-width:1.5;stroke-dasharray:4 3}"
    ".flz-span{stroke:none}.flz-cell{stroke:var(--flz-paper,#fff);stroke-width:1}"
    ".flz-empty{fill:none;stroke:var(--flz-line,#999);stroke-width:1;stroke-dasharray:2 3}"
    ".flz-track{fill:var(--flz-line,#999);fill-opacity:.45}"
    ".flz-range{fill:var(--flz-blue,#0550ae);fill-opacity:.3}"
    ".flz-bar{fill:var(--flz-blue,#0550ae)}"
)
"""One sheet for all pictures: several of them inlined in one page agree on every class."""
