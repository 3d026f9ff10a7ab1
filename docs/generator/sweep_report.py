"""The JSON report of a sweep."""

from __future__ import annotations

from collections.abc import Iterator

from docs.generator import schemas
from reports import markdown as md
from reports.sweep.document import schema


def page() -> Iterator[str]:
    """The page."""
    document = schema()
    yield "# A sweep's report as JSON"
    yield (
        f"Schema {md.code(document['title'])}, in `reports/schemas/sweep-report-1.schema.json`, printed by `freezelab "
        f"report runs/mine --format json`. {md.text(document['description'])} Times are in seconds."
    )
    yield from schemas.tables(document)
