"""Our own markdown to HTML: tables with scopes, folds, pictures inlined, frames of libraries dimmed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

from reports.pictures import Picture

_FOLD = re.compile(r"<details><summary>(.*)</summary>")
_FOLD_END = "</details>"
_CODE = re.compile(r"</?code>")
"""Around words of a fold's title that GitHub would make links of; a page has no use for it."""
_SAFE = ("https://", "http://")
_MARKED = ((">> ", "yours"), ("> ", "library"))
"""How a frame begins, and whose it is: as ``run_stacks.MARKS`` has it."""
_LONG = 70
"""Letters of a cell that must not be squeezed into a narrow column."""


@dataclass(frozen=True)
class Heading:
    """One entry of a table of contents."""

    id: str
    title: str
    """HTML."""


def convert(markdown: str, pictures: Mapping[str, Picture]) -> tuple[str, list[Heading]]:
    """
    The body of a page, and its headings of the second level.

    :param pictures: by the name of the file that an image in the document refers to; others are left out.
    """
    parser = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    parser.block.ruler.before("paragraph", "fold", _fold, {"alt": []})
    environment: dict[str, Any] = {"pictures": pictures}
    tokens = _prepared(parser.parse(markdown, environment), environment)
    headings = [
        Heading(str(token.attrs["id"]), str(parser.renderer.render([inline], parser.options, environment)))
        for token, inline in pairwise(tokens)
        if token.type == "heading_open" and token.tag == "h2"
    ]
    return str(parser.renderer.render(tokens, parser.options, environment)), headings


def _fold(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """The two lines that ``markdown.fold`` writes, and nothing else that looks like HTML."""
    if state.level or state.blkIndent or state.is_code_block(first):
        return False
    said = state.src[state.bMarks[first] : state.eMarks[first]]
    opens = _FOLD.fullmatch(said)
    depth = state.env.get("folds", 0)
    if opens is None and not (said == _FOLD_END and depth):
        return False
    if not silent:
        state.env["folds"] = depth + (1 if opens else -1)
        token = state.push("fold_open" if opens else "fold_close", "details", 0)
        # The title was escaped for HTML as it was written; once more would show.
        token.content = html.unescape(_CODE.sub("", opens[1])) if opens else ""
        state.line = first + 1
    return True


def _prepared(tokens: Sequence[Token], environment: dict[str, Any]) -> list[Token]:
    """The tokens with ids for headings, scopes for cells, and every fold closed."""
    prepared, used = [], set[str]()
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _id(tokens[place + 1].content, used))
        prepared.append(token)
    prepared += [Token("fold_close", "details", 0) for _ in range(environment.get("folds", 0))]
    return list(_scoped(prepared))


def _id(title: str, used: set[str]) -> str:
    words = "-".join(re.findall(r"[a-z0-9]+", title.lower()))[:60] or "part"
    name, number = f"s-{words}", 2
    while name in used:
        name, number = f"s-{words}-{number}", number + 1
    used.add(name)
    return name


def _scoped(tokens: Iterable[Token]) -> Iterator[Token]:
    """Cells of heads name columns; where the head is empty, the first cell of each row names the row."""
    table: list[Token] = []
    for token in tokens:
        if token.type == "table_open" or table:
            table.append(token)
            if token.type == "table_close":
                yield from _table(table)
                table = []
        else:
            yield token


def _table(table: list[Token]) -> Iterator[Token]:
    end = next(place for place, token in enumerate(table) if token.type == "thead_close")
    head, body = table[1 : end + 1], table[end + 1 :]
    titles = [token.content for token in head if token.type == "inline"]
    table[0].meta["title"] = ", ".join(title for title in titles if title)
    for token in head:
        if token.type == "th_open":
            token.attrSet("scope", "col")
    by_row = not any(titles)
    table[0].meta["facts"] = by_row
    first = False
    for token in body:
        if token.type == "tr_open":
            first = True
        elif token.type == "td_open":
            if by_row and first:
                token.tag = "th"
                token.attrSet("scope", "row")
        elif token.type == "td_close":
            if by_row and first:
                token.tag = "th"
            first = False
    both = [*head, *body]
    for token, inline in pairwise(both):
        if token.attrs.pop("style", None) == "text-align:right":
            token.attrSet("class", "number")
        elif token.type == "td_open" and len(inline.content) > _LONG:
            token.attrSet("class", "long")
    yield table[0]
    yield from () if by_row else head
    yield from body


class _Renderer(RendererHTML):
    """Writes the kinds of tokens that differ from plain HTML of markdown; found by name, as the library does."""

    def fold_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<details><summary>{html.escape(tokens[idx].content)}</summary>\n"

    def fold_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</details>\n"

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        title = html.escape(_plain(tokens[idx].meta.get("title") or "at a glance"))
        facts = ' class="facts"' if tokens[idx].meta.get("facts") else ""
        # What scrolls must be reachable without a mouse.
        return f'<div class="scroll" role="group" tabindex="0" aria-label="Table: {title}"><table{facts}>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</table></div>\n"

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        picture = env["pictures"].get(str(tokens[idx].attrs.get("src", "")))
        if picture is None:
            return f"<em>{html.escape(tokens[idx].content)}</em>"
        kind = "picture wide" if picture.wide else "picture"
        title = html.escape(picture.title)
        if picture.narrow is None:
            return _picture(kind, title, picture.svg)
        return _picture(f"{kind} at-desk", title, picture.svg) + _picture("picture on-phone", title, picture.narrow)

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        target = str(tokens[idx].attrs.get("href", ""))
        return f'<a href="{html.escape(target)}" rel="noreferrer">' if target.startswith(_SAFE) else "<a>"

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        shown = _dimmed(token.content) if token.info.endswith(" stack") else html.escape(token.content)
        return f'<pre tabindex="0"><code>{shown}</code></pre>\n'


def _picture(kind: str, title: str, svg: str) -> str:
    return f'<span class="{kind}" role="group" tabindex="0" aria-label="{title}">{svg}</span>'


def _dimmed(content: str) -> str:
    """A stack, whose frames of the engine room are there to be passed over."""
    return "\n".join(
        f'<span class="{_whose(text)}">{html.escape(text)}</span>' for text in content.rstrip("\n").split("\n")
    )


def _whose(text: str) -> str:
    return next((owner for mark, owner in _MARKED if text.startswith(mark)), "engine")


def _plain(markdown: str) -> str:
    return re.sub(r"[`*\\]", "", markdown)
