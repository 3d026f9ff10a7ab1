"""Every colour of a page and of its pictures can be read on its ground, by light and by dark (WCAG 2.2, level AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reports.pictures import palette

STYLE = Path(__file__).resolve().parents[3] / "reports" / "html" / "style.css"
# What stands as text or as a line to be followed, and what it stands on.
PAIRS = [("ink", "paper"), ("dim", "paper"), ("link", "paper"), ("ink", "panel"), ("dim", "panel"), ("link", "panel")]
ON_PICTURES = [("ink", "paper"), ("dim", "paper"), ("blue", "paper"), ("red", "paper")]


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def themes(text: str, prefix: str = "") -> list[dict[str, str]]:
    """The variables of the light theme, and of the dark one that follows it."""
    found: list[dict[str, str]] = []
    for name, colour in re.findall(rf"--{prefix}(\w+):\s*(#[0-9a-f]{{3,6}})", text):
        if not found or name in found[-1]:
            found.append({})
        found[-1][name] = colour
    return found


@pytest.mark.parametrize(("front", "ground"), PAIRS)
def test_on_a_page(front: str, ground: str) -> None:
    light, dark = themes(STYLE.read_text(encoding="utf-8"))
    for theme in (light, dark):
        assert contrast(theme[front], theme[ground]) >= 4.5


@pytest.mark.parametrize(("front", "ground"), ON_PICTURES)
def test_on_a_picture(front: str, ground: str) -> None:
    light, dark = themes(palette.STYLE, "flz-")
    for theme in (light, dark):
        assert contrast(theme[front], theme[ground]) >= 4.5


def test_black_words_on_every_fill() -> None:
    fills = [palette.OTHER, *palette.PHASES.values(), *palette.CODE.values()]
    fills += [mark.fill for mark in palette.VERDICTS.values()]
    assert min(contrast("#111111", fill) for fill in fills) >= 4.5
