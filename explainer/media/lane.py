"""Limit how many pictures and videos of visitors are decoded at once.

One picture may take 300 MB and some seconds, a video more time; lanes limit both for all visitors
together. Decoders release the interpreter lock while they work.
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
    """Run functions in threads of its own, `width` at a time; at most `waiting` more may wait."""

    def __init__(self, name: str, width: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(width, thread_name_prefix=name)
        self._places = threading.BoundedSemaphore(width + waiting)

    def run(self, function: Callable[..., Result], *args: object) -> Result:
        """Run a function when a thread is free, and return its result.

        Raises:
            ImageError: too many already wait; and whatever the function raises.
        """
        if not self._places.acquire(blocking=False):
            raise ImageError(BUSY)
        try:
            return self._threads.submit(function, *args).result()
        finally:
            self._places.release()


PICTURES = DecodingLane("pictures", width=2, waiting=62)
VIDEOS = DecodingLane("videos", width=1, waiting=15)
