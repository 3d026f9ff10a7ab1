"""The known causes."""

from __future__ import annotations

from collections.abc import Iterator

from probes import remedies
from probes.causes import CAUSES
from reports import markdown as md


def page() -> Iterator[str]:
    """The page."""
    known = sorted(CAUSES, key=lambda cause: cause.id)
    yield "# Known causes"
    yield (
        "A cause is named only where a run shows positive evidence of it. A run without a known cause still has its "
        "verdict, its place and its stacks. The id is `cause` in [`diagnosis.json`](diagnosis.md); the sentence under "
        "it reads on after *because*."
    )
    yield "\n".join(f"- [{md.code(cause.id)}](#{cause.id})" for cause in known)
    for cause in known:
        yield f"## {cause.id}"
        yield f"*… because {md.text(cause.title)}.*"
        yield md.text(cause.explanation)
        yield f"**What helps.** {md.text(cause.advice)}"
        cures = remedies.curing(cause.id)
        if cures:
            yield (
                "Can be tried at once: "
                + ", ".join(f"[{md.code(remedies.usage(one))}](remedies.md#{one.id})" for one in cures)
                + "."
            )
        if cause.reference:
            yield f"Reference: {md.link(cause.reference)}"
