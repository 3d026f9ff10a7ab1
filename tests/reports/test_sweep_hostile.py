"""A sweep whose names are markup: the report stays in shape, as markdown and as a page."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from matrix.analysis.analysis import Analysis
from matrix.plan.claims import Claim
from probes.diagnosis import Culprit
from reports import files, plain
from tests.reports.conftest import failed, healthy, slow
from tests.reports.hostile import SAMPLES
from tests.reports.html.test_page import check

Sweep = Callable[..., tuple[Analysis, Path]]
# A store keeps UTF-8; and names that are all blanks are no names.
WORDS = [sample.encode(errors="replace").decode() for sample in SAMPLES if plain.line(sample)]
_TOKENS = {"heading_open", "table_open", "tr_open", "td_open", "image", "fence"}
_TAGS = ("h1", "h2", "h3", "table", "tr", "td", "th", "details", "pre", "svg", "li")
_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def reported(sweep: Sweep, word: str) -> tuple[Counter[str], Counter[str]]:
    """How often each element occurs on the page, and each token in the markdown."""
    factors = {f"env{word}": (f"{word}1", f"{word}2"), "adapter": (f"off{word}", f"on{word}")}
    off, culprit = f"off{word}", Culprit(f"f{word}", f"/a{word}.py", 3, None, None)

    def outcome(levels: dict[str, Any]) -> Any:
        found = slow() if levels["adapter"] == off else failed()
        if levels.get(f"env{word}") == f"{word}2" and levels["adapter"] == off:
            found = healthy()
        return dataclasses.replace(found, summary=word, culprit=culprit, cause=None, phase=f"p{word}")

    claims = (Claim(f"c{word}", "differs", f"env{word}"), Claim(f"d{word}", None, needs=f"n{word}"))
    analysis, folder = sweep(factors, outcome, [({"adapter": f"x{word}"}, f"why{word}")], claims)
    analysis = dataclasses.replace(analysis, plan=dataclasses.replace(analysis.plan, name=f"A {word}"))
    text = files.sweep_report(analysis, folder).read_text(encoding="utf-8")
    page = check((folder / "report.html").read_text(encoding="utf-8")).tags
    tokens = [part for token in _PARSER.parse(text) for part in (token, *(token.children or ()))]
    assert not any(part.type == "html_inline" for part in tokens)
    return Counter({tag: page[tag] for tag in _TAGS}), Counter(part.type for part in tokens if part.type in _TOKENS)


@pytest.mark.parametrize("number", range(len(WORDS)))
def test_names_that_are_markup_change_nothing_but_text(sweep: Sweep, number: int) -> None:
    assert reported(sweep, WORDS[number]) == reported(sweep, "said")
