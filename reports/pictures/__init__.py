"""
Pictures of runs and sweeps as SVG: each a pure function from data to a picture, without script and without network.

A picture stands by itself as a file beside a markdown report, and inside an HTML page. It follows the reader's light
or dark setting and says in words, for who can't see it, what it shows.
"""

from __future__ import annotations

from reports.pictures.canvas import Picture

__all__ = ["Picture"]
