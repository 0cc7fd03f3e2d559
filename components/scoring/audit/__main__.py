"""Audit a reward: `python -m components.scoring.audit --reward NAME --store URI --out page.html`.

Writes the page and, beside it, the findings as JSON; commits both below `<store>/audits/<scorer id>/`. Ends with 0
where it passes or warns, with 1 where it fails.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from components.core import deployment
from components.core.audit import AuditResult
from components.core.config import RewardConfig
from components.core.errors import BadRequest, StepError
from components.scoring.audit import exhibits, record
from components.scoring.scorer import load_scorers

FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 or 1 and the findings on stdout, or the code of what is wrong and one line on stderr."""
    parsed = _parser().parse_args(arguments)
    try:
        reward = RewardConfig(name=parsed.reward, options=_options(parsed.options))
        place = deployment.from_environment(store=parsed.store).store
        shown = exhibits.from_directory(parsed.pictures) if parsed.pictures else exhibits.drawings()
        (scorer,) = load_scorers([reward])
        found = record.audit(place, reward, scorer, shown, dict(map(_accepted, parsed.accept)))
        written = _write(parsed.out, found)
    except StepError as error:
        print(f"audit: {error}", file=sys.stderr)
        return error.exit_code
    print("\n".join([*as_lines(found.result), *written, f"committed at {found.prefix}"]))
    return FAILED if found.result.level == "fail" else 0


def as_lines(result: AuditResult) -> list[str]:
    """The verdict, and a line a probe."""
    lines = [f"{result.scorer_id} on {result.pictures} pictures: {result.level}"]
    for finding in result.findings:
        accepted = f" (accepted: {finding.accepted})" if finding.accepted else ""
        lines.append(f"  {finding.level or '-':<5} {finding.probe:<9} {finding.reason}{accepted}")
    return lines


def _write(out: Path, found: record.Record) -> list[str]:
    files = {out: found.page, out.with_suffix(".json"): found.result.model_dump_json(indent=1).encode() + b"\n"}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise BadRequest(f"cannot write {out}: {error.strerror}") from None
    return [str(path) for path in files]


def _options(text: str) -> dict[str, object]:
    try:
        options = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadRequest(f"--options is no JSON: {error}") from None
    if not isinstance(options, dict):
        raise BadRequest(f"--options is no JSON object: {text:.80}")
    return options


def _accepted(text: str) -> tuple[str, str]:
    probe, separator, reason = text.partition("=")
    if not separator or not reason.strip():
        raise BadRequest(f"--accept {text!r} gives no reason", hint="write it as --accept blank='why that is meant'")
    return probe, reason.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m components.scoring.audit", description=__doc__)
    parser.add_argument("--reward", required=True, help="a name, or package.module:Class")
    parser.add_argument("--options", default="{}", metavar="JSON", help="the reward's options [%(default)s]")
    parser.add_argument(
        "--pictures", type=Path, help="directory with pictures and prompts.toml; default: drawings of the tiny base"
    )
    parser.add_argument("--out", type=Path, default=Path("audit.html"), help="HTML file to write [%(default)s]")
    parser.add_argument("--store", help="where the audit is committed; default: DDPO_STORE, or .ddpo/store")
    parser.add_argument(
        "--accept", action="append", default=[], metavar="PROBE=REASON", help="why a failure of this probe is meant"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
