"""Draw a comparison: `python -m components.evaluation.comparison_report --comparison URI --out page.html --track`.

Commits figure, tables and page to the store, writes the page where --out says, and with --track shows it in
MLflow; where MLflow is away that is said, and nothing else fails.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.core import comparison, tracking
from components.core.errors import BadRequest, StepError
from components.evaluation.comparison_report import record


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 and where everything is on stdout, or the code of what is wrong and one line on stderr."""
    parsed = _parser().parse_args(arguments)
    try:
        opened = comparison.load(parsed.comparison)
        committed = record.commit(opened)
        said = [f"committed at {committed.prefix}"]
        if parsed.out is not None:
            said.append(_write(parsed.out, committed.read(record.PAGE)))
    except StepError as error:
        print(f"comparison: {error}", file=sys.stderr)
        return error.exit_code
    if parsed.track:
        try:
            said.append(tracking.log_comparison(opened))
        except StepError as error:
            print(f"comparison: not tracked: {error}", file=sys.stderr)
    if not parsed.quiet:
        print("\n".join(said))
    return 0


def _write(out: Path, page: bytes) -> str:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(page)
    except OSError as error:
        raise BadRequest(f"cannot write {out}: {error.strerror}") from None
    return str(out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m components.evaluation.comparison_report", description=__doc__)
    parser.add_argument("--comparison", required=True, help="URI of the comparison: <store>/comparisons/<name>")
    parser.add_argument("--out", type=Path, help="HTML file to write; none: only the commit")
    parser.add_argument("--track", action="store_true", help="show it in MLflow")
    parser.add_argument("--quiet", action="store_true", help="print nothing where all is well")
    return parser


if __name__ == "__main__":
    sys.exit(main())
