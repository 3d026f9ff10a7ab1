"""What the C library says before it aborts on a damaged heap."""

from __future__ import annotations

import re

_MESSAGES = re.compile(
    r"^(?:.*?: )??("
    r"double free or corruption(?: \([^)]*\))?|double free detected in tcache \d|"
    r"free\(\): (?:invalid pointer|invalid size|invalid next size \([^)]*\)|double free detected in tcache \d|"
    r"corrupted unsorted chunks|too many chunks detected in tcache|unaligned chunk detected in tcache \d)|"
    r"malloc\(\): [^\n]{3,80}|realloc\(\): [^\n]{3,60}|munmap_chunk\(\): invalid pointer|"
    r"corrupted size vs\. prev_size[^\n]{0,40}|corrupted double-linked list[^\n]{0,20}|"
    r"malloc_consolidate\(\): [^\n]{3,60}|\*\*\* stack smashing detected \*\*\*[^\n]{0,40}"
    r")\s*$",
    re.MULTILINE,
)


def message(text: str) -> str | None:
    """The last such message in what a process printed; None if there is none."""
    found = _MESSAGES.findall(text)
    return str(found[-1]).strip() if found else None
