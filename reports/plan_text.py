"""What ``freezelab matrix --dry-run`` says."""

from __future__ import annotations

from collections.abc import Iterator

from matrix.environments.amounts import size_text
from matrix.plan.kinds import UNSET
from matrix.plan.parameters import as_word
from matrix.plan.run_file import ADAPTIVE, COVERING
from matrix.running.forecast import EnvironmentForecast, Forecast

_SHOWN = 20
"""Environments, and levels of a factor, that are listed; the rest is counted."""


def text(forecast: Forecast) -> str:
    """A heading, what is varied, and a line for each thing that it takes."""
    return "\n".join([f"{forecast.plan.name}: nothing was started", "", *_varied(forecast), "", *_needs(forecast)])


def _varied(forecast: Forecast) -> Iterator[str]:
    plan = forecast.plan
    width = max((len(name) for name in plan.factors), default=0)
    for name, levels in plan.factors.items():
        variable = bool(plan.cells) and name in plan.cells[0].environ
        said = ["unset" if variable and level is UNSET else as_word(level) for level in levels[:_SHOWN]]
        more = [f"and {len(levels) - _SHOWN} more"] if len(levels) > _SHOWN else []
        yield f"{name:{width}}  {', '.join([*said, *more])}"
    for constraint in plan.constraints:
        yield f"{'only':{width}}  {constraint}"


def _needs(forecast: Forecast) -> Iterator[str]:
    plan, run = forecast.plan, forecast.plan.run
    design = f"{run.design} of strength {run.strength}" if run.design == COVERING else run.design
    extra = sum(cell.why is not None for cell in plan.cells)
    beside = f", {extra} of them beside the design" if extra else ""
    yield f"cells         {len(plan.cells):,}{beside} ({design} design)"
    yield f"trials        {_trials(forecast)}"
    for reason, number in forecast.skipped.items():
        yield f"skipped here  {number:,}: {reason}"
    environments = forecast.environments
    there = len(environments) - forecast.to_build
    built = f", {there} of them there already" if there else ""
    yield f"environments  {len(environments):,}{built}"
    for one in environments[:_SHOWN]:
        yield f"              - {_environment(one)}"
    if len(environments) > _SHOWN:
        yield f"              - and {len(environments) - _SHOWN} more"
    if missing := forecast.pythons_missing:
        yield f"to be had     Python {', '.join(missing)}: not on this machine; uv fetches it, if it can"
    each = f"{size_text(forecast.bytes_each)} for each that is to be built, {forecast.bytes_basis}"
    disk = f"{size_text(forecast.bytes)} at most ({each})" if forecast.to_build else "no more than is taken already"
    yield f"disk          {disk}"
    side = f", {forecast.at_once} at once" if forecast.at_once > 1 else ""
    yield f"time          {_duration(forecast.seconds)}{side}, environments not counted (by {forecast.seconds_basis})"


def _trials(forecast: Forecast) -> str:
    done = f"{forecast.done:,} ran already, " if forecast.done else ""
    if forecast.plan.run.design == ADAPTIVE:
        return f"{done}{forecast.to_run:,} more at most: chosen one by one, until one explanation holds"
    return f"{forecast.trials:,}: {done}{forecast.to_run:,} to run"


def _environment(one: EnvironmentForecast) -> str:
    versions = one.versions
    wanted = "a lock file" if versions.lock is not None else ", ".join(versions.requirements)
    cells = f"{one.cells:,} cell{'s' if one.cells > 1 else ''}"
    size = f", built: {size_text(one.bytes)}" if one.bytes is not None else ""
    return f"{versions.name}: Python {versions.python}, {wanted} ({cells}{size})"


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"about {seconds / length:.1f} {unit}"
    return f"about {seconds:.0f} s"
