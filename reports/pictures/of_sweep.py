"""The pictures of a sweep, from its analysis."""

from __future__ import annotations

from dataclasses import dataclass

from matrix.analysis.analysis import Analysis
from reports.pictures.bars import posterior
from reports.pictures.canvas import Picture
from reports.pictures.heatmap import Outcome, heatmap
from reports.sweep_search import plain


@dataclass(frozen=True)
class SweepPictures:
    """What can be shown of a sweep."""

    heatmap: Picture | None = None
    posterior: Picture | None = None

    @property
    def all(self) -> tuple[Picture, ...]:
        """Every picture."""
        return tuple(picture for picture in (self.heatmap, self.posterior) if picture is not None)


def sweep_pictures(analysis: Analysis) -> SweepPictures:
    """Draws the verdicts over the factors, the strongest of which span the map, and what a search believes."""
    strength = {effect.factor: effect.strength for effect in analysis.factors}
    plan = analysis.plan.factors
    order = sorted(plan, key=lambda factor: -strength.get(factor, 0.0))
    outcomes = [
        Outcome({name: str(level) for name, level in result.trial.cell.levels.items()}, result.observation.verdict)
        for result in analysis.results
        if result.in_design
    ]
    factors = {factor: tuple(map(str, plan[factor])) for factor in order}
    rows = [(plain(item), share) for item, share in analysis.search.believed] if analysis.search is not None else []
    return SweepPictures(
        heatmap("report-heatmap", factors, outcomes, "Verdicts over factors"),
        posterior("report-posterior", rows, "What the search believes"),
    )
