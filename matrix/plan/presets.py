"""Where the sweeps that ship with FreezeLab are."""

from __future__ import annotations

from pathlib import Path

DEFAULT = "matrix.toml"
"""The sweep that a machine without a GPU finishes in minutes."""
FULL = "matrix-full.toml"
"""The sweep over library sets with different torch releases, too."""


def preset(name: str = DEFAULT) -> Path:
    """
    The file of a shipped sweep: inside the package once installed, beside it in a checkout.

    :param name: :data:`DEFAULT` or :data:`FULL`.
    """
    package = Path(__file__).resolve().parent.parent
    installed = package / "presets" / name
    return installed if installed.exists() else package.parent / name
