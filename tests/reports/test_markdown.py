"""Whatever a process says, markdown shows it as it is and stays in shape."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reports import markdown as md

ANYTHING = st.text(max_size=80)


def parts(markdown: str) -> Sequence[Token]:
    """What a reader of markdown makes of one line."""
    [inline] = MarkdownIt("commonmark").parseInline(markdown)
    return inline.children or ()


@given(ANYTHING)
def test_text_can_open_no_markup_and_no_second_line(value: str) -> None:
    shown = md.text(value)
    assert "\n" not in shown
    assert {part.type for part in parts(shown)} <= {"text", "text_special", "code_inline"}
    # Beside code, whose own rules are below, nothing stands that could open anything.
    beside = re.sub(r"(?<!\S)(`+)(?!`).*?(?<!`)\1(?!\S)", "", shown)
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>|`*\[\]]", beside)


@given(ANYTHING)
def test_text_reads_as_what_was_said(value: str) -> None:
    read = parts(md.text(value))
    unescaped = "".join(
        part.content.replace("\\|", "|") if part.type == "code_inline" else part.content for part in read
    )
    kept = " ".join(value.split())
    assert len(unescaped) == len(kept)
    assert all(one == other or one == "\N{REPLACEMENT CHARACTER}" for one, other in zip(unescaped, kept, strict=True))


@given(ANYTHING)
def test_a_code_span_cannot_be_closed_from_inside(value: str) -> None:
    shown = md.code(value)
    fence = re.match(r"`+", shown)
    assert fence is not None
    assert shown.endswith(fence.group())
    inside = shown[len(fence.group()) : -len(fence.group())]
    assert fence.group() not in re.findall(r"`+", inside)


@given(st.lists(ANYTHING, max_size=4).map("\n".join))
def test_a_block_cannot_be_closed_from_inside(value: str) -> None:
    first, *inside, last = md.block(value).split("\n")
    assert first == last + "text"
    assert last not in inside


@given(st.lists(st.tuples(ANYTHING, ANYTHING), max_size=5))
def test_every_row_of_a_table_has_as_many_cells_as_its_header(rows: list[tuple[str, str]]) -> None:
    table = md.table(("a", "b"), [(md.text(one), md.code(other)) for one, other in rows])
    lines = table.split("\n")
    assert len(lines) == 2 + len(rows)
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} == {3}


def test_a_fold_escapes_its_title() -> None:
    assert "<summary>a &lt;b&gt; &amp; c</summary>" in md.fold("a <b> & c", "body")


def test_only_plain_addresses_become_links() -> None:
    assert md.link("https://example.com/a?b=c#d") == "<https://example.com/a?b=c#d>"
    for value in ("javascript:alert(1)", "https://a b", "https://a><b", "http://insecure.example"):
        assert md.link(value) == md.text(value)
