"""The page around a report."""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path

from probes.verdicts import Verdict
from reports import plain
from reports.html.convert import Heading, convert
from reports.pictures import Picture
from reports.pictures.palette import VERDICTS

_STYLE = Path(__file__).with_name("style.css")
_MANY_PARTS = 3
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""Nothing is loaded and nothing runs, whatever slipped in."""


def page(markdown: str, title: str, pictures: Iterable[Picture] = (), verdict: Verdict | None = None) -> str:
    """
    A whole HTML document that needs nothing else.

    :param markdown: a report, as ``run_markdown`` or ``sweep.markdown`` writes it.
    :param title: of the window, as plain text.
    :param pictures: those that the report refers to; they become parts of the page.
    :param verdict: of a run, whose colour the page takes on.
    """
    body, headings = convert(markdown, {picture.file: picture for picture in pictures})
    style = _STYLE.read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{html.escape(plain.line(title))}</title>
<style>
{style}</style>
</head>
<body{_toned(verdict)}>
<a class="skip" href="#report">Skip to the report</a>
<header><p>FreezeLab</p></header>
{_contents(headings)}<main id="report" tabindex="-1">
{body}</main>
<footer><p>Written by FreezeLab from what it stored; <code>freezelab report</code> does so again.</p></footer>
</body>
</html>
"""


def _toned(verdict: Verdict | None) -> str:
    return f' class="run" style="--tone:{VERDICTS[verdict].strong}"' if verdict is not None else ""


def _contents(headings: list[Heading]) -> str:
    if len(headings) < _MANY_PARTS:
        return ""
    entries = "".join(f'<li><a href="#{item.id}">{item.title}</a></li>\n' for item in headings)
    return f'<nav aria-label="Contents"><details><summary>Contents</summary><ul>\n{entries}</ul></details></nav>\n'
