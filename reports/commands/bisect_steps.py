"""``freezelab bisect steps``: where two runs part, and where a frozen one stood last."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from matrix.bisecting.steps import compare_runs
from matrix.bisecting.zoom import zoom
from reports import bisect_steps_text, files, terminal
from reports.commands.interface import EXIT_OK, Commands, UsageError, positive

FILE = "steps.json"
_LIMIT_S = 600.0


def add(kinds: Commands) -> None:
    """Adds the kind to ``freezelab bisect``."""
    parser = kinds.add_parser(
        "steps",
        help="the first phase, step, array, row and value in which two runs differ",
        description="Compares the fingerprints of two runs, and says where they part. A repeat of the first, with "
        "nothing changed, tells chance from cause: no search is needed. Of a run that froze before it had anything to "
        "compare, the exact event is told after which nothing came.",
        epilog="examples:\n"
        "  freezelab run --out runs/a -- train.py --seed 1; freezelab run --out runs/a2 -- train.py --seed 1\n"
        "  freezelab run --out runs/b -- train.py --seed 1 --fast\n"
        "  freezelab bisect steps runs/a runs/b --repeat runs/a2\n"
        "  freezelab bisect steps runs/a runs/b --zoom      also runs both again up to there, for row and value\n"
        "exit codes: 0 compared; 2 bad usage, or a folder that holds nothing to compare; 130 Ctrl-C",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_a", type=Path, metavar="RUN_A", help="the folder of a run, as it should be")
    parser.add_argument("run_b", type=Path, metavar="RUN_B", help="of the run that differs, or froze")
    parser.add_argument("--repeat", type=Path, metavar="RUN_A2", help="of a repeat of RUN_A, with nothing changed")
    parser.add_argument(
        "--zoom", action="store_true", help="run both commands again up to where they part, and store the tensors there"
    )
    parser.add_argument("--limit", type=positive, default=_LIMIT_S, metavar="S", help="of each run of --zoom")
    parser.add_argument("--out", type=Path, metavar="DIR", help="gets the result (default: RUN_B/steps)")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document on stdout")
    parser.set_defaults(run=_steps)


def _steps(options: argparse.Namespace) -> int:
    comparison = compare_runs(options.run_a, options.run_b, options.repeat)
    out = options.out or options.run_b / "steps"
    zoomed = None
    if options.zoom and comparison.parting is not None and comparison.parting.array is not None:
        live = terminal.LiveLine(sys.stderr)
        try:
            zoomed = zoom(
                options.run_a,
                options.run_b,
                comparison.parting,
                out,
                on_status=lambda _name, status: live.show(status),
                limit_s=options.limit,
            )
        finally:
            live.clear()
    lines = bisect_steps_text.lines(comparison, zoomed)
    document = {**comparison.to_json(), **bisect_steps_text.zoomed_json(zoomed)}
    text = json.dumps(document, indent=1, ensure_ascii=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        files.whole(out / FILE, text + "\n")
    except OSError as error:
        raise UsageError(f"{out}: can't be written to ({error.strerror}); name another --out") from error
    print("\n".join(lines), file=sys.stderr)
    print(f"{'result':<12}{out / FILE}", file=sys.stderr)
    if options.json:
        print(text)
    return EXIT_OK
