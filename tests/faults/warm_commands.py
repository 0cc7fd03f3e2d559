"""Any step's command, many times, for one import of torch: a fork for each order on stdin, its exit code on stdout.

python -m tests.faults.warm_commands        {"step": "sampling", "point": "mid-work", "uri": "...", "env": {}}
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback

from components.core import runner
from components.core.contracts import StepName
from tests.faults import killed_at


def run(step: str, point: str, uri: str, env: dict[str, str]) -> None:
    """What the child does: the command itself, killed at the point. Never returns."""
    code = 1
    try:
        os.environ.update(env)
        killed_at.arrange(point)
        sys.argv[1:] = ["--request", uri]
        runner.main(StepName(step))
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    for name in ("prompts", "sampling", "training"):
        importlib.import_module(f"components.{name}.step")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
