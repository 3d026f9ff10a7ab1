"""Every link and picture of the handbook and the README leads to something."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.handbook import PAGES, ROOT, Page


@pytest.mark.parametrize("page", [Page(path) for path in PAGES], ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_are_there(page: Page) -> None:
    assert not [link for link in page.links() if broken(page, link)], page.name


@cache
def anchors(path: Path) -> set[str]:
    return Page(path).anchors()


def broken(page: Page, link: str) -> bool:
    if link.startswith(("https://", "http://", "mailto:")):
        return False
    path, _, anchor = unquote(link).partition("#")
    target = (page.path.parent / path).resolve() if path else page.path
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(anchor) and (target.suffix != ".md" or anchor not in anchors(target))


def test_every_page_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "docs" / "README.md"]
    while waiting:
        page = Page(waiting.pop())
        if page.path not in reached:
            reached.add(page.path)
            paths = (
                (page.path.parent / link.partition("#")[0]).resolve() for link in page.links() if "://" not in link
            )
            waiting += (path for path in paths if path.suffix == ".md" and path.is_file())
    assert not [path for path in PAGES if path not in reached and path.parent != ROOT]


def test_pictures_are_used(tmp_path: Path) -> None:
    used = {(page.path.parent / link).resolve() for page in map(Page, PAGES) for link in page.links()}
    assert not [path for path in (ROOT / "docs" / "pictures").iterdir() if path not in used]


def test_anchors_are_those_of_github(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# What's new?\n\n## `run` & more\n\n## Same\n\n## Same\n")
    assert Page(path).anchors() == {"whats-new", "run--more", "same", "same-1"}
