"""Places to decode what visitors send: few at a time, whatever else the server does.

One picture may take 300 MB and some seconds, one video more time; lanes bound both for all visitors
together. Decoders let other Python threads run while they work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from explainer.errors import ImageError

Result = TypeVar("Result")

BUSY = "too many pictures and videos are being read just now; try again in a few seconds"


class DecodingLane:
    """Runs functions in threads of its own, `width` at a time; at most `waiting` more may wait."""

    def __init__(self, name: str, width: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(width, thread_name_prefix=name)
        self._places = threading.BoundedSemaphore(width + waiting)

    def run(self, function: Callable[..., Result], *args: object) -> Result:
        """Run a function in its turn and wait for the result.

        Raises:
            ImageError: too many wait already; and whatever the function raises.
        """
        if not self._places.acquire(blocking=False):
            raise ImageError(BUSY)
        try:
            return self._threads.submit(function, *args).result()
        finally:
            self._places.release()


PICTURES = DecodingLane("pictures", width=2, waiting=62)
VIDEOS = DecodingLane("videos", width=1, waiting=15)
