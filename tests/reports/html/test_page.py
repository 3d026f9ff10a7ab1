"""A report as a page: whole, self-contained, and what processes say is text in it, whatever it looks like."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from probes.verdicts import Verdict
from reports import html, plain, run_markdown
from reports import markdown as md
from reports.pictures.flame import flame_graph
from tests.reports.conftest import failed, healthy, slow
from tests.reports.hostile import ANYTHING, SAMPLES, filled

_VOID = {"meta", "link", "br", "hr", "img"}
_ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "nav", "main", "footer", "p", "a", "ul", "ol", "li"),
    *("h1", "h2", "h3", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "strong", "em", "span", "div"),
    *("details", "summary", "svg", "rect", "line", "path", "text", "desc"),
}


class Outline(HTMLParser):
    """Counts elements, and objects to what is not balanced."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def page_of(words: list[str]) -> str:
    diagnosis = filled(words)
    return html.page(run_markdown.render(diagnosis, cwd="/home"), words[0], verdict=diagnosis.verdict)


def check(page: str) -> Outline:
    """No element but those that reports are made of, nothing that runs, nothing from elsewhere."""
    outline = Outline(page)
    assert set(outline.tags) <= _ALLOWED
    for tag, name, value in outline.attributes:
        assert not name.startswith("on")
        assert name != "src"
        if name == "href":
            assert tag == "a"
            assert value.startswith(("#", "https://"))
    page.encode()  # no halves of surrogate pairs
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    return outline


PLAIN = Outline(page_of(["said"]))


# Of nothing there is no emphasis.
@given(st.lists(ANYTHING.filter(plain.line), min_size=8, max_size=60))
@settings(deadline=None, max_examples=60)
def test_what_processes_say_changes_no_element_of_a_page(words: list[str]) -> None:
    found = check(page_of(words)).tags
    for tag in ("h1", "h2", "h3", "table", "tr", "th", "td", "details", "summary", "pre", "a", "svg", "strong", "ul"):
        assert found[tag] == PLAIN.tags[tag], tag


def test_each_kind_of_markup_stays_text_wherever_it_is_said() -> None:
    for sample in SAMPLES:
        found = check(page_of([sample] * 80)).tags
        assert found["table"] == PLAIN.tags["table"]
        assert found["details"] == PLAIN.tags["details"]
        assert found["li"] == PLAIN.tags["li"]


def test_a_page_needs_nothing_from_elsewhere_and_no_script() -> None:
    page = html.page(run_markdown.render(slow()), "title")
    check(page)
    assert "default-src 'none'" in page
    assert "script" not in page
    assert "@import" not in page
    assert "url(" not in page


def test_a_page_names_its_language_and_its_title() -> None:
    page = html.page("# A & B", "A & B <x>")
    assert '<html lang="en">' in page
    assert "<title>A &amp; B &lt;x&gt;</title>" in page


def test_tables_that_scroll_can_be_reached_by_keyboard_and_their_heads_say_what_they_head() -> None:
    page = html.page(md.table(("a", "b"), [("c", "d")]) + "\n\n" + md.table(("", ""), [("e", "f")]), "title")
    assert '<div class="scroll" role="group" tabindex="0" aria-label="Table: a, b">' in page
    assert '<th scope="col">a</th>' in page
    assert '<th scope="row">e</th>' in page


def test_frames_are_marked_by_whose_they_are() -> None:
    page = html.page(md.block(">> mine\n> theirs\n  torch", "text stack"), "title")
    assert '<span class="yours">&gt;&gt; mine</span>' in page
    assert '<span class="library">&gt; theirs</span>' in page
    assert '<span class="engine">  torch</span>' in page


def test_pictures_become_a_part_of_the_page_and_those_that_are_not_there_are_told() -> None:
    drawn = flame_graph("report-flame", [])
    assert drawn is None
    page = html.page("![what it shows](gone.svg)", "title")
    assert "<em>what it shows</em>" in page
    assert "<img" not in page


def test_many_parts_get_a_table_of_contents() -> None:
    page = html.page("# a\n\n## b\n\n## b\n\n## `c`", "title")
    assert '<li><a href="#s-b">b</a></li>' in page
    assert '<li><a href="#s-b-2">b</a></li>' in page
    assert '<h2 id="s-c"><code>c</code></h2>' in page
    assert "<nav" not in html.page("# a\n\n## b", "title")


def test_the_colour_of_a_run_follows_its_verdict() -> None:
    tones = {
        verdict: re.findall(r'<body class="run" style="--tone:(#\w+)">', html.page("# a", "b", verdict=verdict))[0]
        for verdict in Verdict
    }
    assert len(set(tones.values())) == len(Verdict)


def test_a_fold_that_is_not_closed_is_closed_at_the_end() -> None:
    check(html.page("<details><summary>a</summary>\n\nb\n", "title"))


def test_real_reports_are_well_formed() -> None:
    for diagnosis in (slow(), failed(), healthy()):
        check(html.page(run_markdown.render(diagnosis), "title", verdict=diagnosis.verdict))
