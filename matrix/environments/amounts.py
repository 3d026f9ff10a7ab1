"""Sizes and times as people write them."""

from __future__ import annotations

import math
import re

_BYTES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_size(text: str) -> float:
    """
    Bytes: ``40GB``, ``1.5 TB``, ``512MiB``, ``1000000``.

    :raises ValueError: it is no such thing; the message says what would be right.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:([KMGT]?i?)B?)?\s*", text, re.IGNORECASE | re.ASCII)
    factor = _BYTES.get((found[2] or "").capitalize()) if found else None
    if found is None or factor is None:
        raise ValueError(f"{text!r} is no size; write a number and a unit, such as 20GB, 1.5TB or 512MiB")
    return float(found[1]) * factor


def parse_limit(text: str) -> float:
    """
    As :func:`parse_size`; ``none`` is infinity.

    :raises ValueError: it is neither.
    """
    if text.strip().lower() == "none":
        return math.inf
    try:
        return parse_size(text)
    except ValueError as error:
        raise ValueError(f"{error}, or none for no limit") from None


def parse_age(text: str) -> float:
    """
    Seconds: ``30d``, ``12h``, ``90m``, ``2w``.

    :raises ValueError: it is no such thing; the message says what would be right.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([mhdw])\s*", text, re.ASCII)
    if found is None:
        raise ValueError(f"{text!r} is no length of time; write a number and m, h, d or w, such as 30d or 12h")
    return float(found[1]) * _SECONDS[found[2]]


def size_text(size: float) -> str:
    """``1.3 GB``, in powers of ten."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if size >= 99.5 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
