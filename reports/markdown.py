"""Pieces of GitHub-flavoured markdown; whatever comes from a process is escaped here and nowhere else."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from reports import plain
from reports.pictures import Picture

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$&])")
_OPENS = re.compile(r"(?=(?:[-+=]|\d{1,9}[.)])(?:[-= ]|$))(\d*)")
"""The head of a line that would begin a list, a rule or the underline of a heading."""
_LINKED = re.compile(
    r"(?i)(?:https?|ftp|mailto|xmpp):|www\.|@[a-z0-9]|[a-z0-9._+-]@|#[0-9]|gh-[0-9]",
    re.ASCII,
)
"""
What GitHub makes a link of, or a message to somebody: addresses (GFM 6.9), mentions, numbers of issues. A backslash
does not keep it from that, since it looks for them in what was rendered; it leaves code alone.
"""

_ADDRESS = re.compile(r"https://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")


def text(value: object) -> str:
    """Any value as literal text on one line; words that GitHub would make links of are shown as code."""
    shown = " ".join(_word(word) for word in plain.line(value).split(" "))
    head = _OPENS.match(shown)
    return f"{head[1]}\\{shown[head.end() :]}" if head else shown


def _word(word: str) -> str:
    return code(word) if _LINKED.search(word) else _SPECIAL.sub(r"\\\1", word)


def code(value: object) -> str:
    """Any value as an inline code span, also inside a table."""
    raw = plain.line(value).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", raw)), default=0))
    pad = " " if raw.startswith("`") or raw.endswith("`") or not raw else ""
    return f"{fence}{pad}{raw}{pad}{fence}"


def link(value: str) -> str:
    """An address as a link to itself; what is none, or not a plain one, as literal text."""
    return f"<{value}>" if _ADDRESS.fullmatch(value) else text(value)


def block(value: str, language: str = "text") -> str:
    """Lines as a fenced code block."""
    raw = plain.clean(value.rstrip("\n"))
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
    words = [
        f"<code>{html.escape(word, quote=False)}</code>" if _LINKED.search(word) else html.escape(word, quote=False)
        for word in plain.line(title).split(" ")
    ]
    return f"<details><summary>{' '.join(words)}</summary>\n\n{body}\n\n</details>"


def figure(picture: Picture | None) -> Iterable[str]:
    """A picture that lies as a file beside the document; nothing without one."""
    if picture is not None:
        yield f"![{text(f'{picture.title}. {picture.says}')}]({picture.file})"
