"""Writes the reference: ``python -m docs.generator``."""

from __future__ import annotations

import sys

from docs.generator.pages import FOLDER, written

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in written():
        path = FOLDER / name
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
