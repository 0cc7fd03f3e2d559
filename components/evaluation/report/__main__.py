"""Write a run's report: `python -m components.evaluation.report --run <run URI> --out report.html`.

A further --run adds that run's best policy to the grid of nine animals. --track hands the page to MLflow instead.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from components.core import tracking
from components.core.errors import StepError
from components.evaluation.report.page import write_report


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 and the path or the URL on stdout, or the code of what is wrong and one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m components.evaluation.report", description=__doc__)
    parser.add_argument(
        "--run",
        required=True,
        action="append",
        help="URI of the run: <store>/runs/<run id>; again for a run to be shown beside it",
    )
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="HTML file to write [%(default)s]")
    parser.add_argument("--track", action="store_true", help="put it into the run in MLflow, and write no file")
    parsed = parser.parse_args(arguments)
    try:
        if parsed.track:
            print(_tracked(parsed.run))
        else:
            print(write_report(parsed.run[0], parsed.out, others=parsed.run[1:]))
    except StepError as error:
        print(f"report: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _tracked(runs: list[str]) -> str:
    """URL of the report, once MLflow has it."""
    with tempfile.TemporaryDirectory(prefix="ddpo-report-") as directory:
        page = write_report(runs[0], Path(directory) / "report.html", others=runs[1:])
        return tracking.log_report(runs[0], page)


if __name__ == "__main__":
    sys.exit(main())
