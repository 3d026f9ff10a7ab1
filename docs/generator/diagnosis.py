"""``diagnosis.json``."""

from __future__ import annotations

from collections.abc import Iterator

from docs.generator import schemas
from probes.diagnosis import schema
from reports import markdown as md


def page() -> Iterator[str]:
    """The page."""
    document = schema()
    yield "# diagnosis.json"
    yield (
        f"Schema {md.code(document['title'])}, in `probes/schemas/diagnosis-1.schema.json`. "
        f"{md.text(document['description'])} Times are in seconds. `freezelab run --json` and `freezelab attach "
        "--json` print the same document."
    )
    yield from schemas.tables(document)
