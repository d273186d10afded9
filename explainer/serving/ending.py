"""The orderly end of a server: nothing new begins, and running answers are waited for."""

from __future__ import annotations

import logging
import time

from explainer.serving.lanes import Scheduler

log = logging.getLogger(__name__)

END_WITHIN = 8.0  # seconds; Docker kills a container 10 s after SIGTERM
SETTLE = 1.0  # seconds in which the end of an answer reaches the page


def drain(scheduler: Scheduler, seconds: float) -> None:
    """Refuse new work, and return when the running answers have reached their callers.

    Searches take minutes and are not waited for.

    Args:
        scheduler: of the server that ends.
        seconds: the longest wait.
    """
    end = time.monotonic() + seconds
    running = scheduler.close()
    ended = scheduler.wait_until_idle(seconds)
    log.info("ending", extra={"fields": {"running": running, "ended": ended}})
    if running and ended:
        time.sleep(max(0.0, min(SETTLE, end - time.monotonic())))
