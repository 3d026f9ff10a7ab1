"""Bisectors: told what was seen, they say what to try next. A new kind is one file and one line here."""

from __future__ import annotations

from matrix.bisect.certificate import Certificate, Pair
from matrix.bisect.factors import Factors
from matrix.bisect.groups import Groups
from matrix.bisect.interface import Bisector, Conclusion, Suggestion
from matrix.bisect.linear import Linear
from matrix.bisect.observations import Observation, Outcome
from matrix.bisect.shrink import Choice, Items, Shrink, Shrinkable, Whole
from matrix.bisect.sites import SiteSearch

__all__ = [
    "Bisector",
    "Certificate",
    "Choice",
    "Conclusion",
    "Factors",
    "Groups",
    "Items",
    "Linear",
    "Observation",
    "Outcome",
    "Pair",
    "Shrink",
    "Shrinkable",
    "SiteSearch",
    "Suggestion",
    "Whole",
]
