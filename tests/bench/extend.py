"""
Going on for real: the story that started FreezeLab with another end, and what pieces cost.

``story``: a base is trained, a "manual 300K" is forged from it as the report did it (load, set the count, save),
and ``freezelab extend`` trains the same base to the same count, with the original update and with ``fused-lstm``. The
table has what ``freezelab audit`` says of each. Small by default; ``--full`` is the report's own size.

    python -m tests.bench.extend story
    python -m tests.bench.extend story --full
    python -m tests.bench.extend story --full --base model_201k.zip

``overhead``: the same steps in pieces and in one piece, in pairs, one after the other; which comes first alternates.
What a piece costs more (starting, saving, loading back) does not depend on its length, while what it trains does. So
it is measured with pieces of one rollout and told for pieces of 10,000 steps (five rollouts of 2048), at the pace of
this very machine at this very time. Two figures: by the pairs, in which the machine's own wavering is; and by the
clock, the time of a piece outside of ``learn``, the first piece left out.

    python -m tests.bench.extend overhead --pairs 3
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PROJECT = Path(__file__).resolve().parents[2]
_REPORT = {"base": 201_200, "to": 300_000, "n_steps": 2048, "piece": 10_000}
_SMALL = {"base": 2_012, "to": 3_000, "n_steps": 512, "piece": 512}
_REMEDY = "fused-lstm"
_PIECE_ROLLOUTS = 5
"""Rollouts of 2048 steps in a piece of 10,000."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a bench and prints its table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.extend")
    parser.add_argument("bench", choices=("story", "overhead"))
    parser.add_argument("--full", action="store_true", help="story: 201,200 to 300,000 steps, about 40 minutes")
    parser.add_argument("--base", type=Path, help="story: go on from this one, instead of training one first")
    parser.add_argument(
        "--pairs", type=int, default=3, help="overhead: how often it is measured (default: %(default)s)"
    )
    parser.add_argument("--pieces", type=int, default=3, help="overhead: pieces of a rollout (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default: %(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="extend-bench-") as name:
        folder = Path(name)
        if options.bench == "story":
            _story(folder, _REPORT if options.full else _SMALL, options.threads, options.base)
        else:
            _overhead(folder, options.pairs, options.pieces, options.threads)
    return 0


def _story(folder: Path, size: dict[str, int], threads: int, given: Path | None) -> None:
    base, took_s = (given, 0.0) if given else _trained_base(folder, size["base"], size["n_steps"], threads)
    forged = folder / "manual-300k.zip"
    steps = _forge(base, forged, size["to"])
    took = f" in {took_s:.1f} s" if took_s else ""
    print(f"base: {steps:,} steps of real training{took}; forged and extended to {size['to']:,}\n", flush=True)
    rows = [("base", "—", *_audited(base, None)), ("num_timesteps set by hand", "0 s", *_audited(forged, base))]
    models: list[Path] = []
    for name, more in (("extend, original update", ()), (f"extend, {_REMEDY}", ("--remedy", _REMEDY))):
        out = folder / f"out{len(models)}"
        document, wall_s = _extended(base, size["to"], size["piece"], out, threads, *more)
        models.append(Path(document["model"]))
        pieces = [row for row in document["ledger"] if row["kind"] == "piece"]
        verdicts = " ".join(sorted({row["verdict"] for row in pieces}))
        rows.append((f"{name} ({len(pieces)} pieces: {verdicts})", f"{wall_s:.1f} s", *_audited(models[-1], base)))
        learn_s = sum(row["learn_s"] for row in pieces)
        print(f"{name}: {learn_s:.1f} s of {wall_s:.1f} s in learn(), {wall_s / learn_s - 1:.1%} more", flush=True)
    print()
    _table(("model", "wall", "claims", "shows", "optimiser steps", "audit says"), rows)
    print(f"\nlargest difference of any weight between the last two: {_difference(*models):.2g}")


def _overhead(folder: Path, pairs: int, pieces: int, threads: int) -> None:
    base, _ = _trained_base(folder, 2048, 2048, threads)
    to = 2048 * (1 + pieces)
    costs_s, outside_s, learns_s = [], [], []
    for pair in range(pairs):
        walls: dict[int, float] = {}
        order = (2048, to) if pair % 2 == 0 else (to, 2048)
        for piece_steps in order:
            out = folder / f"{pair}-{piece_steps}"
            document, _ = _extended(base, to, piece_steps, out, threads, "--remedy", _REMEDY)
            rows = [row for row in document["ledger"] if row["kind"] == "piece"]
            walls[piece_steps] = sum(row["wall_s"] for row in rows)
            learns_s.append(sum(row["learn_s"] for row in rows) / pieces)
            outside_s += [row["wall_s"] - row["learn_s"] for row in rows[1:]]
        costs_s.append((walls[2048] - walls[to]) / (pieces - 1))
        print(f"pair {pair + 1}: {pieces} pieces {walls[2048]:.1f} s, one piece {walls[to]:.1f} s", flush=True)
    original = folder / "original"
    document, _ = _extended(base, 4096, 2048, original, threads)
    row = next(row for row in document["ledger"] if row["kind"] == "piece")
    cost_s, fused_s, original_s = statistics.median(costs_s), statistics.median(learns_s), row["learn_s"]
    clock_s = statistics.median(outside_s)
    print(
        f"\na piece costs {cost_s:.2f} s more by the pairs ({min(costs_s):.2f} to {max(costs_s):.2f}), "
        f"{clock_s:.2f} s by the clock ({min(outside_s):.2f} to {max(outside_s):.2f}); at pieces of 10,000 that is\n"
    )
    _table(
        ("update", "rollout + update", "by the pairs", "by the clock"),
        [
            (name, f"{each_s:.1f} s", *(f"{each / (_PIECE_ROLLOUTS * each_s):.1%}" for each in (cost_s, clock_s)))
            for name, each_s in (("original", original_s), (_REMEDY, fused_s))
        ],
    )


def _trained_base(folder: Path, steps: int, n_steps: int, threads: int) -> tuple[Path, float]:
    """With the remedy: it is the same training, in a fraction of the time."""
    path = folder / "base.zip"
    run = [str(_PROJECT / "freezelab.py"), "run", "--remedy", _REMEDY, "--out", str(folder / "run"), "--"]
    words = ["--env", "dummy", "--n-steps", str(n_steps), "--total-timesteps", str(steps), "--save", str(path)]
    started = time.monotonic()
    subprocess.run(
        [sys.executable, *run, sys.executable, str(_PROJECT / "repro"), *words, "--threads", str(threads)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return path, time.monotonic() - started


def _forge(base: Path, forged: Path, to: int) -> int:
    """As the report did it; gives the base's own count."""
    from sb3_contrib import RecurrentPPO

    model = RecurrentPPO.load(base, device="cpu")
    steps = int(model.num_timesteps)
    model.num_timesteps = to
    model.save(forged)
    return steps


def _extended(
    base: Path, to: int, piece_steps: int, out: Path, threads: int, *more: str
) -> tuple[dict[str, Any], float]:
    words = ["extend", str(base), "--to", str(to), "--env", "dummy", "--piece", str(piece_steps), "--out", str(out)]
    started = time.monotonic()
    document = _asked(*words, "--threads", str(threads), "--python", sys.executable, "--json", *more)
    return document, time.monotonic() - started


def _audited(path: Path, base: Path | None) -> tuple[str, ...]:
    document = _asked("audit", str(path), *(("--against", str(base)) if base else ()), "--json")
    optimisers = ", ".join(f"{item['steps']:,}" for item in document["counters"]["optimisers"].values())
    return f"{document['claimed_steps']:,}", f"{document['shown_steps'] or 0:,}", optimisers, document["verdict"]


def _asked(*words: str) -> dict[str, Any]:
    """What a command of freezelab's answers; its exit code is part of that."""
    done = subprocess.run(
        [sys.executable, str(_PROJECT / "freezelab.py"), *words],
        env={**os.environ, "PYTHONPATH": ""},
        stdout=subprocess.PIPE,
        stderr=None if words[0] == "extend" else subprocess.DEVNULL,
        check=False,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _difference(one: Path, other: Path) -> float:
    from sb3_contrib import RecurrentPPO

    first, second = (RecurrentPPO.load(path, device="cpu").policy.state_dict() for path in (one, other))
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[at]) for row in (titles, *rows)) for at in range(len(titles))]
    for row in (titles, ["-" * width for width in widths], *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
