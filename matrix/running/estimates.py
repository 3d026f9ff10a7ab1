"""How much memory a trial is expected to take, from what earlier ones took."""

from __future__ import annotations

from collections.abc import Iterable

from matrix.results.store import Record

UNKNOWN_BYTES = 1_000_000_000
"""Of the first trial of all: torch on a CPU takes about half of it."""
_MARGIN = 1.2
"""Readings come twice a second: the highest was seen at best in passing."""


class MemoryEstimates:
    """Told peaks, says what to expect."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._by_cell: dict[str, int] = {}
        self._highest = 0
        for record in records:
            self.tell(record.cell, record.observation.peak_rss_bytes)

    def tell(self, cell: str, peak_bytes: int | None) -> None:
        """What a trial of the cell took; None is not known."""
        if peak_bytes is not None:
            self._by_cell[cell] = max(self._by_cell.get(cell, 0), peak_bytes)
            self._highest = max(self._highest, peak_bytes)

    def of(self, cell: str) -> int:
        """Bytes: what the cell itself took, else the most that any did."""
        known = self._by_cell.get(cell, self._highest)
        return round(known * _MARGIN) if known else UNKNOWN_BYTES
