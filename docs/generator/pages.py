"""Which pages there are, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from docs.generator import causes, cli, diagnosis, remedies, sweep_report, toml, verdicts

FOLDER = Path(__file__).parents[1] / "reference"
COMMAND = "python -m docs.generator"
_NOTE = f"<!-- Made from the code by `{COMMAND}`: changes here are lost. -->"

PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "cli.md": cli.page,
    "matrix-toml.md": toml.page,
    "verdicts.md": verdicts.page,
    "causes.md": causes.page,
    "remedies.md": remedies.page,
    "diagnosis.md": diagnosis.page,
    "sweep-report.md": sweep_report.page,
}
"""File to what makes its paragraphs, of which the first is the title."""


def written() -> Iterator[tuple[str, str]]:
    """Each file's name and text, as they are now."""
    for name, page in PAGES.items():
        title, *rest = page()
        yield name, "\n\n".join((title, _NOTE, *rest)) + "\n"
