"""The markdown as GitHub reads it, HTML included: what processes say opens nothing and closes nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reports import markdown as md
from reports import plain, run_markdown
from reports.issue import text
from tests.reports.hostile import ANYTHING, SAMPLES, filled

_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_FOLD = re.compile(r"<details><summary>(?:[^<>]|</?code>)*</summary>\n?|</details>\n?")


def outline(words: list[str]) -> Counter[str]:
    """How often each kind of token occurs, text aside."""
    found: Counter[str] = Counter()
    for token in _PARSER.parse(run_markdown.render(filled(words), cwd="/home")):
        for part in (token, *(token.children or ())):
            if part.type in ("html_block", "html_inline"):
                assert _FOLD.fullmatch(part.content), part.content
            if part.type == "link_open":
                assert str(part.attrs["href"]).startswith("https://")
            # A word that GitHub would make a link of is shown as code, which is text as well.
            found[part.type] += part.type not in ("text", "text_special", "inline", "code_inline")
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


_LINKS = (
    # What cmark-gfm's autolink extension begins a link with (GFM 6.9), and what GitHub's own filters look for.
    re.compile(r"(?i)(?:https?|ftp)://[^\s<]|(?:mailto|xmpp):[a-z0-9.+_-]+@|(?<![a-z0-9_/])www\.[^\s<]"),
    re.compile(r"(?i)[a-z0-9.+_-]+@[a-z0-9_-]+\.[a-z0-9]", re.ASCII),
    re.compile(r"(?i)(?<![a-z0-9_])@[a-z0-9]", re.ASCII),
    re.compile(r"(?i)(?<![a-z0-9_])(?:#|gh-)\d", re.ASCII),
)
CALLS = (
    "@octocat",
    "see http://evil.example/x",
    "WWW.example.com",
    "a.b+c@d.example",
    "#123",
    "x/y#4",
    "GH-5",
    "(@me)",
)


def _said(markdown: str) -> Iterator[str]:
    """The text that GitHub looks through: what is neither code nor a link of ours."""
    for token in _PARSER.parse(markdown):
        inside, text = 0, ""
        for part in token.children or ():
            inside += part.nesting if part.type in ("link_open", "link_close") else 0
            text += part.content if part.type in ("text", "text_special") and not inside else "\n"
        yield text
        if token.type == "html_block":
            yield re.sub(r"<code>[^<]*</code>", "\n", token.content)


@given(st.lists(st.one_of(ANYTHING, st.sampled_from(CALLS), st.tuples(ANYTHING, st.sampled_from(CALLS)).map("".join))))
@settings(deadline=None, max_examples=60)
def test_nothing_that_a_process_says_becomes_a_link_or_calls_somebody(words: list[str]) -> None:
    documents = [
        run_markdown.render(filled(words), cwd="/home"),
        text.render(filled(words), text.Example()).partition("-->")[2].partition("### Checklist")[0],
    ]
    for document in documents:
        for said in _said(document):
            assert not [link[0] for link in (rule.search(said) for rule in _LINKS) if link], said


def test_what_would_be_a_link_stays_readable() -> None:
    assert md.text("see https://x.example/a_b and @me (#12), not a_b or 3 # 4") == (
        "see `https://x.example/a_b` and `@me` `(#12),` not a\\_b or 3 \\# 4"
    )
