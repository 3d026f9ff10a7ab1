"""Pieces of GitHub-flavoured markdown; whatever comes from a process is escaped here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def text(value: object) -> str:
    """Any value as literal text on one line."""
    return _SPECIAL.sub(r"\\\1", _CONTROL.sub("\N{REPLACEMENT CHARACTER}", " ".join(str(value).split())))


def code(value: object) -> str:
    """Any value as an inline code span, also inside a table."""
    raw = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", " ".join(str(value).split())).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", raw)), default=0))
    pad = " " if raw.startswith("`") or raw.endswith("`") or not raw else ""
    return f"{fence}{pad}{raw}{pad}{fence}"


def block(value: str, language: str = "text") -> str:
    """Lines as a fenced code block."""
    raw = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", value.rstrip("\n"))
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", raw)), default=0))
    return f"{fence}{language}\n{raw}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numeric: Iterable[int] = ()) -> str:
    """
    A table of cells that are markdown already.

    :param numeric: places of the columns to be set flush right.
    """
    right = set(numeric)
    rule = ["---:" if place in right else "---" for place in range(len(header))]
    lines = [header, rule, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def fold(title: str, body: str) -> str:
    """A part that opens on a click. ``title`` is plain text."""
    escaped = title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<details><summary>{escaped}</summary>\n\n{body}\n\n</details>"
