"""`ddpo`: the command line for people. Everything heavy is imported by the command that needs it.

A room a subject, in the order in which `ddpo --help` lists them.
"""

from __future__ import annotations

from dags.pipeline import (  # isort: skip
    cli_runs,
    cli_looking,
    cli_audit,
    cli_rescore,
    cli_compare,
    cli_promotion,
    cli_mirror,
    cli_cleanup,
    cli_services,
)
from dags.pipeline.cli_app import app

__all__ = [
    "app",
    "cli_audit",
    "cli_cleanup",
    "cli_compare",
    "cli_looking",
    "cli_mirror",
    "cli_promotion",
    "cli_rescore",
    "cli_runs",
    "cli_services",
]
