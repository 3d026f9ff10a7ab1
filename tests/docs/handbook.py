"""The pages as the tests read them: blocks, links, headings, commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_FILE = re.compile(r"<!-- file: (\S+) -->\s*")
_HTML_LINK = re.compile(r"""(?:href|src)=["']([^"']+)""")
_SHELL = frozenset(("&&", "||", "|", ";", ">", ">>", "<", "&"))
_PROCESS = re.compile(r'"?\$\([^)]*\)"?')
"""What a shell puts in is a process's id wherever we are called with it."""
PROGRAM = "freezelab"


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    line: int
    language: str
    text: str
    file: str | None
    """What it is to be saved as, by the comment before it."""


@dataclass(frozen=True)
class Page:
    """One page."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def _tokens(self) -> list[Token]:
        return _MARKDOWN.parse(self.path.read_text(encoding="utf-8"))

    def blocks(self) -> Iterator[Block]:
        """In order."""
        before: str | None = None
        for token in self._tokens:
            if token.type == "fence":
                line = token.map[0] + 1 if token.map else 0
                yield Block(line, token.info.strip(), token.content, before)
            named = _FILE.fullmatch(token.content) if token.type == "html_block" else None
            before = named[1] if named else None

    def anchors(self) -> set[str]:
        """Of the headings, as GitHub makes them."""
        found: dict[str, int] = {}
        for at, token in enumerate(self._tokens):
            if token.type == "heading_open":
                words = "".join(part.content for part in self._tokens[at + 1].children or ())
                slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
                found[slug] = found.get(slug, -1) + 1
        return {slug if not again else f"{slug}-{again}" for slug, last in found.items() for again in range(last + 1)}

    def links(self) -> Iterator[str]:
        """Of links and images."""
        for token in self._tokens:
            for part in (token, *(token.children or ())):
                target = part.attrGet("href") or part.attrGet("src")
                if target:
                    yield str(target)
                if part.type in ("html_block", "html_inline"):
                    yield from _HTML_LINK.findall(part.content)

    def inline_code(self) -> Iterator[str]:
        """Spans in the text."""
        for token in self._tokens:
            yield from (part.content for part in token.children or () if part.type == "code_inline")


def commands(line: str) -> Iterator[list[str]]:
    """The arguments of each ``freezelab`` in a line of a shell, also behind ``sudo`` and the like."""
    quoted = re.search(r"bash -c '(.+)'", line)
    if quoted:
        yield from commands(quoted[1])
        return
    line = _PROCESS.sub("4711", line.replace(f"$(command -v {PROGRAM})", PROGRAM))
    reader = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;<>")
    reader.whitespace_split = True
    reader.commenters = "#"
    words = list(reader)
    for at, word in enumerate(words):
        if word.rpartition("/")[2] == PROGRAM:
            rest = words[at + 1 :]
            end = next((place for place, one in enumerate(rest) if one in _SHELL), len(rest))
            yield rest[:end]
