"""
Reports as one HTML file: no network, no script.

It is made from the markdown that is written anyway. The parser is told to let no HTML through, so that what somebody
forgot to escape is shown as it was written and does nothing; and there is one wording of each report, not two.
"""

from __future__ import annotations

from reports.html.page import page

__all__ = ["page"]
