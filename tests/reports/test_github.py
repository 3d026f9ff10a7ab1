"""The markdown as GitHub reads it, HTML included: what processes say opens nothing and closes nothing."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reports import plain, run_markdown
from tests.reports.hostile import ANYTHING, SAMPLES, filled

# Links that GitHub makes of bare addresses are no markup, and are left out.
_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_FOLD = re.compile(r"<details><summary>[^<>]*</summary>\n?|</details>\n?")


def outline(words: list[str]) -> Counter[str]:
    """How often each kind of token occurs, text aside."""
    found: Counter[str] = Counter()
    for token in _PARSER.parse(run_markdown.render(filled(words), cwd="/home")):
        for part in (token, *(token.children or ())):
            if part.type in ("html_block", "html_inline"):
                assert _FOLD.fullmatch(part.content), part.content
            if part.type == "link_open":
                assert str(part.attrs["href"]).startswith("https://")
            found[part.type] += part.type not in ("text", "text_special", "inline")
    return found


PLAIN = outline(["said"])


# Of nothing there is no paragraph.
@given(st.lists(ANYTHING.filter(plain.line), min_size=8, max_size=60))
@settings(deadline=None, max_examples=60)
def test_what_processes_say_changes_nothing_but_text(words: list[str]) -> None:
    assert outline(words) == PLAIN


def test_each_kind_of_markup_stays_text() -> None:
    for sample in filter(plain.line, SAMPLES):
        assert outline([sample] * 80) == PLAIN, sample
