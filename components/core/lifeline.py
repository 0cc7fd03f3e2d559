"""A step dies with whoever started it: a killed supervisor must not leave a step writing beside its own retry."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to SIGKILL this process when its parent ends. Linux only: elsewhere, a warning.

    The kernel means the thread that started this process: a parent has to wait for its child in that very thread.
    The first process of a container has no parent that it can see; it lives as long as its container.
    """
    parent = os.getppid()
    if not sys.platform.startswith("linux"):
        log.warning("this platform cannot tie a step to its parent: a killed supervisor leaves it running")
        return
    if parent == 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        log.warning("prctl refused PR_SET_PDEATHSIG: %s", os.strerror(ctypes.get_errno()))
    if os.getppid() != parent:  # it ended before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)
