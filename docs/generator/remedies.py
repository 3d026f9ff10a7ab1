"""The remedies."""

from __future__ import annotations

from collections.abc import Iterator

from probes import remedies
from reports import markdown as md


def page() -> Iterator[str]:
    """The page."""
    yield "# Remedies"
    yield (
        "Changes that `freezelab run --remedy ID -- …` makes inside the training process, with your code as it is. "
        "A remedy that does not fit steps back and says so. `freezelab run --verify-remedies -- …` measures what the "
        "one for the run's cause brings."
    )
    for item in remedies.REMEDIES:
        yield f"## {item.id}"
        yield md.block(f"freezelab run --remedy {remedies.usage(item)} -- …")
        yield f"What changes: {md.text(item.changes)}."
        if item.parameter is not None:
            default = item.parameter.default or item.parameter.found
            yield f"{md.code(item.parameter.name)}: {md.text(item.parameter.means)}; default: {md.text(default)}."
        yield f"**Results.** {md.text(item.results)}"
        if item.cures:
            yield "Removes: " + ", ".join(f"[{md.code(cause)}](causes.md#{cause})" for cause in item.cures) + "."
