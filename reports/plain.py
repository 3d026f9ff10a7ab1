"""What a process said, made fit to be shown: no format may be broken by it, nor may it read as what it is not."""

from __future__ import annotations

import re

_UNFIT = re.compile(
    # Control characters but tab and line feed; halves of surrogate pairs and non-characters, which no encoding or no
    # XML takes; marks that turn the direction of what follows ("Trojan source"), and separators of lines.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


def clean(text: str) -> str:
    """The text with a replacement character for each one that is unfit; lines and tabs stay."""
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)


def line(value: object) -> str:
    """Any value as one clean line, with single spaces."""
    return clean(" ".join(str(value).split()))
