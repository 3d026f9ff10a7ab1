"""The pictures of a sweep, from its analysis."""

from __future__ import annotations

from dataclasses import dataclass

from matrix.analysis.analysis import Analysis
from matrix.plan.parameters import Level
from reports.pictures.bars import posterior
from reports.pictures.canvas import Picture
from reports.pictures.heatmap import Outcome, heatmap
from reports.pictures.intervals import Share, intervals
from reports.sweep.search import plain


@dataclass(frozen=True)
class SweepPictures:
    """What can be shown of a sweep."""

    heatmap: Picture | None = None
    posterior: Picture | None = None
    effects: Picture | None = None

    @property
    def all(self) -> tuple[Picture, ...]:
        """Every picture."""
        return tuple(picture for picture in (self.heatmap, self.posterior, self.effects) if picture is not None)


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
        _effects(analysis),
    )


def _effects(analysis: Analysis) -> Picture | None:
    """The shares that the tables of effects hold; nothing where no run of the design is a hit."""
    varying = [effect for effect in analysis.factors if effect.factor in analysis.columns.varying]
    if not any(item.rate.hits for effect in varying for item in effect.levels):
        return None
    groups = [
        (
            effect.factor,
            [
                Share(str(item.level), item.rate.hits, item.rate.trials, item.rate.low, item.rate.high)
                for item in sorted(effect.levels, key=lambda item: _place(analysis, effect.factor, item.level))
            ],
        )
        for effect in sorted(varying, key=lambda effect: -effect.strength)
    ]
    says = analysis.target.says
    what = "share of runs that failed" if says is None else f"share of runs that ended as {says}"
    return intervals("report-effects", groups, what, "How often runs fail at each level")


def _place(analysis: Analysis, factor: str, level: Level) -> int:
    order = list(analysis.plan.factors.get(factor, ()))
    return order.index(level) if level in order else len(order)
